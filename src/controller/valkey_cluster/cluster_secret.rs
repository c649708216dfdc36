//! Secrets that the operator makes for a cluster or its users, as they are created.

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use std::collections::BTreeMap;
use valkeeper_cluster::names::CLUSTER;

/// A Secret of this name for a cluster, controlled by `owner`, with an annotation if there is one.
pub(in crate::controller) fn cluster_secret(
    (cluster, owner): (&str, OwnerReference),
    name: &str,
    annotation: Option<(&str, &str)>,
    data: BTreeMap<String, ByteString>,
) -> Secret {
    let annotations = annotation.map(|(key, value)| BTreeMap::from([(key.to_owned(), value.to_owned())]));
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(BTreeMap::from([(CLUSTER.to_owned(), cluster.to_owned())])),
        annotations,
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    };
    Secret { metadata, type_: Some("Opaque".to_owned()), data: Some(data), ..Secret::default() }
}
