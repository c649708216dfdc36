//! Which Secret the connection goes to, and what besides the five usual keys it should hold.

use super::route::Route;
use std::collections::BTreeMap;
use valkeeper_api::{Kind, ManagedService, common::ConnectionSecretTarget, service_facts::WrittenSecret};

/// Who runs managed services.
const PROVIDER: &str = "aiven";

/// The keys that a connection Secret always has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsualKeys {
    /// `HOST`, `PORT`, `USER`, `PASSWORD` and `SSL`.
    #[default]
    Service,
    /// `HOST`, `PORT`, `USERNAME` and `PASSWORD`.
    ServiceUser,
}

/// The Secret that receives the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretTarget {
    /// Name, in the namespace of the custom resource.
    pub name: String,
    /// The spec names it, and that cannot be changed any more.
    pub is_named: bool,
    /// What each key starts with.
    pub prefix: String,
    /// Which usual keys it has.
    pub usual_keys: UsualKeys,
    /// Labels that the Secret must have.
    pub labels: BTreeMap<String, String>,
    /// Annotations that the Secret must have.
    pub annotations: BTreeMap<String, String>,
    /// The way to the service that the connection describes.
    pub route: Route,
    /// Whether to add the certificate of the project's authority.
    pub authority: bool,
    /// Sets of keys for client libraries.
    pub presets: Vec<String>,
    /// Templates of further keys.
    pub keys: BTreeMap<String, String>,
    /// Whether to add the connection as one URI.
    pub uri: bool,
    /// Whether to add the host of the replica.
    pub replica_host: bool,
    /// Whether to add the port of the replica.
    pub replica_port: bool,
    /// The `type` of a service binding, when its entries are requested.
    pub binding: Option<&'static str>,
    /// Who runs the service, for programs that read service bindings.
    pub provider: &'static str,
    /// Whether Secrets of this kind may also hold the five keys without a prefix, which aiven-operator
    /// wrote; those that do keep them.
    pub bare_keys: bool,
    /// Plain values to write besides, by key without prefix.
    pub more: BTreeMap<String, String>,
    /// Whether the Secret of the `Redis` of the same name is to be taken over.
    pub takes_over: bool,
    /// What the Secret was given when it was last written.
    pub written: Option<WrittenSecret>,
}

/// What a kind gives to each Secret that its resources write.
#[derive(Clone, Copy, Debug)]
pub struct KindOfSecret {
    /// Prefix of each key where the spec sets none.
    pub prefix: &'static str,
    /// Who runs the servers.
    pub provider: &'static str,
    /// What runs there, for programs that read service bindings.
    pub binding: &'static str,
    /// See [`SecretTarget::bare_keys`].
    pub bare_keys: bool,
}

impl SecretTarget {
    /// The target that a resource called `own_name` declares; `written` is what its Secret was given before.
    pub fn new(
        declared: Option<&ConnectionSecretTarget>,
        own_name: &str,
        written: Option<WrittenSecret>,
        kind: KindOfSecret,
    ) -> Self {
        let target = declared.cloned().unwrap_or_default();
        // aiven-operator wrote `name: ""` into objects that had no target.
        let is_named = !target.name.is_empty();
        let name = if is_named { target.name } else { own_name.to_owned() };
        let extra = target.extra_keys.unwrap_or_default();
        let wants = |key: &str| extra.iter().any(|extra| extra.0 == key);
        Self {
            written: written.filter(|written| written.name == name),
            name,
            is_named,
            // aiven-operator takes an empty one for none.
            prefix: target
                .prefix
                .filter(|prefix| !prefix.is_empty())
                .unwrap_or_else(|| kind.prefix.to_owned()),
            usual_keys: UsualKeys::default(),
            labels: target.labels.unwrap_or_default(),
            annotations: target.annotations.unwrap_or_default(),
            route: Route::of(target.route.as_ref()),
            authority: wants("CA_CERT"),
            presets: target.presets.into_iter().flatten().map(|preset| preset.0).collect(),
            keys: target.keys.into_iter().flatten().map(|(key, template)| (key, template.0)).collect(),
            uri: wants("URI"),
            replica_host: wants("REPLICA_HOST"),
            replica_port: wants("REPLICA_PORT"),
            provider: kind.provider,
            binding: (target.service_binding == Some(true)).then_some(kind.binding),
            bare_keys: kind.bare_keys,
            more: BTreeMap::new(),
            takes_over: false,
        }
    }
}

/// The target of `object`, which is called `name`; none when it is switched off.
pub fn of<K: ManagedService>(object: &K, name: &str) -> Option<SecretTarget> {
    let spec = object.service();
    if spec.conn_info_secret_target_disabled == Some(true) {
        return None;
    }
    let written = object.status().and_then(|status| status.facts.connection_secret.clone());
    let takes_over = object.migrates_from_redis();
    // A Secret that is taken over keeps its keys.
    let keys = if takes_over { Kind::Redis } else { K::KIND };
    let kind = KindOfSecret {
        prefix: keys.secret_prefix(),
        provider: PROVIDER,
        binding: K::KIND.service_type(),
        bare_keys: keys.wrote_bare_keys(),
    };
    let target = SecretTarget::new(spec.conn_info_secret_target.as_ref(), name, written, kind);
    Some(SecretTarget { takes_over, ..target })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_prefix_means_the_default() {
        let kind =
            KindOfSecret { prefix: "VALKEY_", provider: PROVIDER, binding: "valkey", bare_keys: false };
        let prefix = |prefix: Option<&str>| {
            let declared = ConnectionSecretTarget {
                prefix: prefix.map(str::to_owned),
                ..ConnectionSecretTarget::default()
            };
            SecretTarget::new(Some(&declared), "cache", None, kind).prefix
        };
        assert_eq!([None, Some(""), Some("CACHE_")].map(prefix), ["VALKEY_", "VALKEY_", "CACHE_"]);
    }
}
