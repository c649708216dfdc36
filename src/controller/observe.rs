//! From the provider's wire format to what the engine looks at.

use super::facts;
use crate::{
    api::Kind,
    engine::{Maintenance, MigrationState, ObservedService, Power, ServiceState, Source, SourceReference},
    provider::{Migration, Service},
};
/// The engine's view of a service.
pub fn service(service: Service) -> ObservedService {
    let connection = facts::connection(&service);
    let facts = facts::of(&service, connection.as_ref());
    let integrations = &service.service_integrations;
    let me = Some(&service.service_name);
    ObservedService {
        connection,
        facts,
        disk_is_managed: integrations.iter().any(|entry| entry.integration_type == "autoscaler"),
        // The same integration is listed on both sides.
        is_replica: integrations
            .iter()
            .any(|entry| entry.integration_type == "read_replica" && entry.dest_service.as_ref() == me),
        state: ServiceState::parse(&service.state),
        service_type: service.service_type,
        plan: service.plan,
        cloud: service.cloud_name,
        project_vpc_id: service.project_vpc_id,
        disk_space_mb: service.disk_space_mb,
        maintenance: service
            .maintenance
            .map_or_else(Maintenance::default, |window| Maintenance { day: window.dow, time: window.time }),
        technical_emails: service.tech_emails.into_iter().map(|entry| entry.email).collect(),
        termination_protection: service.termination_protection,
        tags: service.tags,
        user_config: service.user_config,
        backups: service.backups.len(),
    }
}

/// The engine's view of the service that another one is to be made from.
pub(super) fn source(kind: Kind, wanted: &SourceReference, found: Option<Service>) -> Source {
    let Some(found) = found else { return Source::Missing };
    let has_backup = match &wanted.backup {
        Some(name) => found.backups.iter().any(|backup| backup.backup_name == *name),
        None => !found.backups.is_empty(),
    };
    let state = ServiceState::parse(&found.state);
    if found.service_type != kind.service_type() {
        Source::OtherType(found.service_type)
    } else if state.power() != Power::Serving {
        Source::NotServing(found.state)
    } else if has_backup {
        Source::Ready
    } else {
        Source::WithoutBackup
    }
}

/// The engine's view of a migration; the provider forgets one that is done.
pub(super) fn migration(found: Option<Migration>) -> MigrationState {
    match found {
        None => MigrationState::Done,
        Some(migration) => match migration.status.as_str() {
            "done" => MigrationState::Done,
            "failed" => {
                MigrationState::Failed(migration.error.unwrap_or_else(|| "no reason given".to_owned()))
            }
            _ => MigrationState::Running(migration.status),
        },
    }
}
