//! The definitions of `ValkeyBackup` and `ValkeyScheduledBackup`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSONSchemaProps,
};
use kube::CustomResourceExt as _;

use super::{column, finish, readiness, wide};
use crate::rules::PlacedRule;
use crate::{
    ValkeyBackup, ValkeyScheduledBackup, valkey_backup as backup, valkey_scheduled_backup as scheduled,
};

/// The definition of `ValkeyBackup`, as installed in a cluster.
pub fn valkey_backup() -> CustomResourceDefinition {
    let [ready, reason, age] = readiness();
    let columns = vec![
        column("Cluster", "string", ".spec.clusterName"),
        column("Phase", "string", ".status.phase"),
        ready,
        column("Bytes", "integer", ".status.sizeBytes"),
        column("Verified", "boolean", ".status.verified.succeeded"),
        age,
        CustomResourceColumnDefinition { priority: Some(1), ..reason },
        wide("Verified At", "date", ".status.verified.at"),
        wide("Keys", "integer", ".status.keys"),
        wide("Key", "string", ".status.key"),
    ];
    finished(ValkeyBackup::crd(), "vkb", &columns, backup::rules)
}

/// The schema that resources of `ValkeyBackup` are checked against.
pub fn valkey_backup_schema() -> JSONSchemaProps {
    schema(valkey_backup())
}

/// The definition of `ValkeyScheduledBackup`, as installed in a cluster.
pub fn valkey_scheduled_backup() -> CustomResourceDefinition {
    let [ready, reason, age] = readiness();
    let columns = vec![
        column("Cluster", "string", ".spec.clusterName"),
        column("Schedule", "string", ".spec.schedule"),
        column("Suspend", "boolean", ".spec.suspend"),
        ready,
        column("Fresh", "string", ".status.conditions[?(@.type==\"BackupFresh\")].status"),
        column("Last Success", "date", ".status.lastSuccessfulAt"),
        age,
        CustomResourceColumnDefinition { priority: Some(1), ..reason },
        wide("Last Verified", "date", ".status.lastVerifiedAt"),
        wide("Time Zone", "string", ".spec.timeZone"),
    ];
    finished(ValkeyScheduledBackup::crd(), "vksb", &columns, scheduled::rules)
}

/// The schema that resources of `ValkeyScheduledBackup` are checked against.
pub fn valkey_scheduled_backup_schema() -> JSONSchemaProps {
    schema(valkey_scheduled_backup())
}

pub(super) fn finished(
    mut definition: CustomResourceDefinition,
    short: &str,
    columns: &[CustomResourceColumnDefinition],
    rules: fn() -> Vec<PlacedRule>,
) -> CustomResourceDefinition {
    definition.spec.names.categories = Some(vec!["valkeeper".to_owned()]);
    definition.spec.names.short_names = Some(vec![short.to_owned()]);
    for version in &mut definition.spec.versions {
        version.additional_printer_columns = Some(columns.to_vec());
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            finish(schema, rules());
        }
    }
    definition
}

pub(super) fn schema(definition: CustomResourceDefinition) -> JSONSchemaProps {
    let version = definition.spec.versions.into_iter().next();
    version.and_then(|version| version.schema?.open_api_v3_schema).unwrap_or_default()
}
