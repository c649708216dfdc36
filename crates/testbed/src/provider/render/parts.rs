//! The parts of the service object that other answers show as well: users, backups, integrations.
//! Guarantees the same shape wherever a part appears.

use crate::provider::catalogue::ServiceType;
use crate::provider::clock::{microseconds, seconds};
use crate::provider::service::{Backup, Integration, User};
use crate::servers::Course;
use serde_json::{Map, Value, json};

/// A user object with the password as given.
pub(in crate::provider) fn user_object(user: &User, service_type: ServiceType, password: &str) -> Value {
    let kind = service_type.name();
    let access = user.access.iter().map(|(list, items)| (format!("{kind}_acl_{list}"), items.clone()));
    json!({
        "access_control": access.collect::<Map<_, _>>(), "password": password,
        "password_updated_time": seconds(user.password_time), "type": user.kind, "username": user.name,
    })
}

/// A backup as services and the backup list show it.
pub(in crate::provider) fn backup(backup: &Backup) -> Value {
    json!({
        "additional_regions": [], "backup_name": backup.name(), "backup_time": microseconds(backup.time),
        "data_size": backup.bytes, "storage_location": backup.location,
    })
}

/// An integration as services and the integration list show it.
pub(in crate::provider) fn integration(integration: &Integration) -> Value {
    let (source, destination) = (&integration.source, &integration.destination);
    json!({
        "active": true, "enabled": true, "description": format!("{} integration", integration.kind),
        "dest_endpoint": null, "dest_endpoint_id": destination.endpoint, "dest_project": destination.project,
        "dest_service": destination.service, "dest_service_type": destination.kind,
        "integration_status": {
            "state": { "errors": [], "nodes": {}, "status": "running" },
            "status_user_desc": "Integration is active",
        },
        "integration_type": integration.kind, "service_integration_id": integration.id,
        "source_endpoint": null, "source_endpoint_id": source.endpoint, "source_project": source.project,
        "source_service": source.service, "source_service_type": source.kind,
        "user_config": integration.user_config,
    })
}

/// How a migration is doing.
pub(in crate::provider) fn migration(course: &Course) -> Value {
    // Keys are copied by scanning; a requested dump is reported as that.
    let method = if course.dump { "scan" } else { "replication" };
    let mut migration = json!({ "method": method, "status": course.status, "error": course.error });
    if let Some(connected) = course.connected {
        migration["master_link_status"] = if connected { "up" } else { "down" }.into();
        if connected {
            migration["master_last_io_seconds_ago"] = 1.into();
        }
    }
    let detail = |(name, status): (&String, &&str)| json!({ "dbname": name, "method": method, "status": status, "error": null });
    json!({ "migration": migration, "migration_detail": course.databases.iter().map(detail).collect::<Vec<_>>() })
}
