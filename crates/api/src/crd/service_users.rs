//! The definition of `ServiceUser`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::CustomResourceExt as _;

use super::{backups, categories, column, readiness, status_of, wide};
use crate::{ServiceUser, service_user};

/// The definition of `ServiceUser`, as installed in a cluster.
pub fn service_user() -> CustomResourceDefinition {
    let mut columns = vec![
        // User scripts rely on the position of these three, so new columns follow them.
        column("Service Name", "string", ".spec.serviceName"),
        column("Project", "string", ".spec.project"),
        column("Connection Information Secret", "string", ".spec.connInfoSecretTarget.name"),
    ];
    columns.extend(readiness());
    columns.push(wide("Username", "string", ".status.username"));
    columns.push(status_of("Synced"));
    let mut definition = backups::finished(ServiceUser::crd(), "su", &columns, service_user::rules);
    definition.spec.names.categories = Some(categories());
    definition
}

/// The schema that resources of `ServiceUser` are checked against.
pub fn service_user_schema() -> JSONSchemaProps {
    backups::schema(service_user())
}
