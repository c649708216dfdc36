//! The definition of `ValkeyUser`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::CustomResourceExt as _;

use super::{
    backups::{finished, schema},
    column, readiness, wide, without_shapes_of_services,
};
use crate::{ValkeyUser, valkey_user};

/// The definition of `ValkeyUser`, as installed in a cluster.
pub fn valkey_user() -> CustomResourceDefinition {
    let [ready, reason, age] = readiness();
    let columns = vec![
        column("Cluster", "string", ".spec.clusterName"),
        column("Username", "string", ".status.username"),
        ready,
        reason,
        age,
        wide("Secret", "string", ".status.connectionSecret.name"),
    ];
    let mut definition = finished(ValkeyUser::crd(), "vku", &columns, valkey_user::rules);
    for version in &mut definition.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            without_shapes_of_services(schema);
        }
    }
    definition
}

/// The schema that resources of `ValkeyUser` are checked against.
pub fn valkey_user_schema() -> JSONSchemaProps {
    schema(valkey_user())
}
