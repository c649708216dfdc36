//! Which Secret the connection goes to, and what besides the five usual keys it should hold.

use crate::api::{ManagedService, service_facts::WrittenSecret};
use std::collections::BTreeMap;

/// The Secret that receives the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretTarget {
    /// Name, in the namespace of the custom resource.
    pub name: String,
    /// What each key starts with.
    pub prefix: String,
    /// Labels that the Secret must have.
    pub labels: BTreeMap<String, String>,
    /// Annotations that the Secret must have.
    pub annotations: BTreeMap<String, String>,
    /// Whether the connection is also wanted as one URI.
    pub uri: bool,
    /// Whether the host of the replica is wanted.
    pub replica_host: bool,
    /// Whether the port of the replica is wanted.
    pub replica_port: bool,
    /// The `type` of a service binding, when its entries are wanted.
    pub binding: Option<&'static str>,
    /// Whether Secrets of this kind may also hold the five keys without a prefix, which the replaced operator
    /// wrote; those that do keep them.
    pub bare_keys: bool,
    /// What the Secret was given when it was last written.
    pub written: Option<WrittenSecret>,
}

/// The target of `object`, which is called `name`; none when it is switched off.
pub fn of<K: ManagedService>(object: &K, name: &str) -> Option<SecretTarget> {
    let spec = object.service();
    if spec.conn_info_secret_target_disabled == Some(true) {
        return None;
    }
    let target = spec.conn_info_secret_target.clone().unwrap_or_default();
    // The replaced operator wrote `name: ""` into objects that had no target.
    let name = if target.name.is_empty() { name.to_owned() } else { target.name };
    let extra = target.extra_keys.unwrap_or_default();
    let wants = |key: &str| extra.iter().any(|extra| extra.0 == key);
    let written = object.status().and_then(|status| status.facts.connection_secret.clone());
    Some(SecretTarget {
        written: written.filter(|written| written.name == name),
        name,
        prefix: target.prefix.unwrap_or_else(|| K::KIND.secret_prefix().to_owned()),
        labels: target.labels.unwrap_or_default(),
        annotations: target.annotations.unwrap_or_default(),
        uri: wants("URI"),
        replica_host: wants("REPLICA_HOST"),
        replica_port: wants("REPLICA_PORT"),
        binding: (target.service_binding == Some(true)).then(|| K::KIND.service_type()),
        bare_keys: K::KIND.wrote_bare_keys(),
    })
}
