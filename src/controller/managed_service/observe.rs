//! Converts the provider's wire format to the observation of the engine.

use super::facts;
use crate::provider::{Found, Integration, Migration, Service};
use secrecy::ExposeSecret as _;
use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState},
};
use valkeeper_api::Kind;
use valkeeper_engine::{
    Connection, Maintenance, MigrationState, ObservedService, Power, ServiceState, Source, SourceReference,
};

/// The engine's view of a service.
pub fn service(service: Service) -> ObservedService {
    let connection = facts::connection(&service);
    let facts = facts::of(&service, connection.as_ref());
    let integrations = service.service_integrations.as_deref().unwrap_or_default();
    let me = Some(&service.service_name);
    let of_type = |entry: &Integration, kind: &str| entry.integration_type.as_deref() == Some(kind);
    ObservedService {
        connection,
        facts,
        disk_is_managed: integrations.iter().any(|entry| of_type(entry, "autoscaler")),
        // The same integration is listed on both sides.
        is_replica: integrations
            .iter()
            .any(|entry| of_type(entry, "read_replica") && entry.dest_service.as_ref() == me),
        state: ServiceState::parse(&service.state),
        service_type: service.service_type,
        plan: service.plan,
        cloud: service.cloud_name,
        project_vpc_id: service.project_vpc_id,
        disk_space_mb: service.disk_space_mb,
        maintenance: service
            .maintenance
            .map_or_else(Maintenance::default, |window| Maintenance { day: window.dow, time: window.time }),
        technical_emails: service.tech_emails.into_iter().flatten().filter_map(|entry| entry.email).collect(),
        termination_protection: service.termination_protection.unwrap_or_default(),
        tags: known(service.tags.unwrap_or_default()),
        user_config_is_unknown: service.user_config.is_none(),
        credentials_are_withheld: service.secrets_denied,
        user_config: service.user_config.unwrap_or_default(),
        backups_are_unknown: service.backups.is_none(),
        backups: service.backups.map_or(0, |backups| backups.len()),
    }
}

/// The tags whose value could be read.
fn known(tags: BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    tags.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// A number that changes when something that decisions depend on does.
pub(in crate::controller) fn digest(service: &ObservedService, hasher: &RandomState) -> u64 {
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
        user_config_is_unknown,
        credentials_are_withheld,
        connection,
        backups,
        backups_are_unknown,
        facts,
        disk_is_managed,
        is_replica,
    } = service;
    let mut state_of_hash = hasher.build_hasher();
    let into = &mut state_of_hash;
    (service_type, state.as_str(), plan, cloud, project_vpc_id, disk_space_mb).hash(into);
    (&maintenance.day, &maintenance.time, technical_emails, termination_protection, tags).hash(into);
    (backups, backups_are_unknown, disk_is_managed, is_replica).hash(into);
    (user_config_is_unknown, credentials_are_withheld).hash(into);
    user_config.hash(into);
    if let Some(Connection { host, port, user, password, ssl, replica, routes, authority: _ }) = connection {
        (host, port, user, password.expose_secret(), ssl, format!("{replica:?}")).hash(into);
        if !routes.is_empty() {
            routes.hash(into);
        }
    }
    format!("{facts:?}").hash(into);
    state_of_hash.finish()
}

/// The engine's view of the service that another one is to be made from.
pub(in crate::controller) fn source(kind: Kind, wanted: &SourceReference, found: Found) -> Source {
    let Found::Service(found) = found else { return Source::Missing };
    let backups = found.backups.as_deref().unwrap_or_default();
    let has_backup = match &wanted.backup {
        Some(name) => backups.iter().any(|backup| backup.backup_name.as_ref() == Some(name)),
        None => !backups.is_empty(),
    };
    let state = ServiceState::parse(&found.state);
    if found.service_type != kind.service_type() {
        Source::OtherType(found.service_type)
    } else if wanted.has_to_run && state.power() != Power::Serving {
        Source::NotServing(found.state)
    } else if has_backup {
        Source::Ready
    } else {
        Source::WithoutBackup
    }
}

/// The engine's view of a migration.
pub(in crate::controller) fn migration(found: Option<Migration>) -> MigrationState {
    match found {
        None => MigrationState::Forgotten,
        Some(migration) => match migration.status.as_deref() {
            Some("done") => MigrationState::Done,
            Some("failed") => {
                MigrationState::Failed(migration.error.unwrap_or_else(|| "no reason given".to_owned()))
            }
            state => MigrationState::Running(state.unwrap_or("unknown").to_owned()),
        },
    }
}
