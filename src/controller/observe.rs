//! From the provider's wire format to what the engine looks at.

use super::facts;
use crate::{
    api::Kind,
    engine::{
        Connection, Maintenance, MigrationState, ObservedService, Power, ServiceState, Source,
        SourceReference,
    },
    provider::{Migration, Service},
};
use secrecy::ExposeSecret as _;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};

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

/// A number that changes when something that decisions depend on does.
pub(super) fn digest(service: &ObservedService, hasher: &RandomState) -> u64 {
    let ObservedService {
        service_type,
        state,
        plan,
        cloud,
        project_vpc_id,
        disk_space_mb,
        maintenance,
        technical_emails,
        termination_protection,
        tags,
        user_config,
        connection,
        backups,
        facts,
        disk_is_managed,
        is_replica,
    } = service;
    let mut state_of_hash = hasher.build_hasher();
    let into = &mut state_of_hash;
    (service_type, state.as_str(), plan, cloud, project_vpc_id, disk_space_mb).hash(into);
    (&maintenance.day, &maintenance.time, technical_emails, termination_protection, tags).hash(into);
    (backups, disk_is_managed, is_replica).hash(into);
    user_config.hash(into);
    if let Some(Connection { host, port, user, password, ssl, replica }) = connection {
        (host, port, user, password.expose_secret(), ssl, format!("{replica:?}")).hash(into);
    }
    format!("{facts:?}").hash(into);
    state_of_hash.finish()
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
