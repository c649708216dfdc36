//! The parameters of a connection that are no secret: what a connection Secret may have besides, and the ConfigMap with
//! all of them.

use crate::desired::Desired;
use crate::names;
use crate::observed::Observed;
use crate::serving::{ServingSeen, reaches_clients as has_tls};
use std::collections::BTreeMap;

/// Prefix of each key where the spec sets none.
pub(crate) const PREFIX: &str = "VALKEY_";

/// The host by which clients reach a Service; none while its address is needed and not known.
pub fn host(desired: &Desired, observed: &Observed, service: &str) -> Option<String> {
    match &observed.addresses {
        Some(addresses) => addresses.get(service).cloned(),
        None => Some(dns_name(desired, service)),
    }
}

/// The name of a Service.
pub(crate) fn dns_name(desired: &Desired, service: &str) -> String {
    format!("{service}.{}.svc", desired.namespace)
}

/// Port and `SSL` of the servers, as clients should have them: nothing before every server has TLS, where there is no port
/// without.
pub fn port(desired: &Desired) -> Option<(u16, &'static str)> {
    if has_tls(desired) {
        return Some((names::TLS_PORT, "require"));
    }
    desired.serves_plaintext().then_some((names::SERVER_PORT, "disable"))
}

/// Those for clients that are set up for Sentinel, by key without prefix: none where they are not served, nothing while an
/// address is not known.
pub fn for_sentinel_clients(desired: &Desired, observed: &Observed) -> Option<BTreeMap<String, String>> {
    if !desired.serves_sentinel_clients() {
        return Some(BTreeMap::new());
    }
    let host = host(desired, observed, &names::sentinel(&desired.name))?;
    let pairs = [
        ("SENTINEL_HOST", host),
        ("SENTINEL_PORT", names::SENTINEL_PORT.to_string()),
        ("PRIMARY_NAME", desired.primary_name().to_owned()),
    ];
    Some(pairs.map(|(key, value)| (key.to_owned(), value)).into())
}

/// All of them, by key with the prefix of the ConfigMap; nothing while an address is not known.
pub(crate) fn all(desired: &Desired, observed: &Observed, prefix: &str) -> Option<BTreeMap<String, String>> {
    let (port, ssl) = self::port(desired)?;
    let mut all = for_sentinel_clients(desired, observed)?;
    let leader = host(desired, observed, &names::leader(&desired.name))?;
    let mut add = |key: &str, value: String| drop(all.insert(key.to_owned(), value));
    add("HOST", leader);
    add("PORT", port.to_string());
    add("SSL", ssl.to_owned());
    if desired.instances() > 1 {
        add("REPLICA_HOST", host(desired, observed, &names::replica(&desired.name))?);
        add("REPLICA_PORT", port.to_string());
    }
    if let ServingSeen::Present(serving) = &observed.serving
        && has_tls(desired)
    {
        add("CA_CERT", serving.pair.authorities.iter().cloned().collect());
    }
    Some(all.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)).collect())
}
