//! Converts a connection to the content of its Secret: the usual keys under the prefix, further keys that
//! the target requests, and never an empty or hidden value.

use super::{
    escape::escape,
    normal::HIDDEN,
    observed::{Connection, Replica},
    secret_target::{SecretTarget, UsualKeys},
    shape::{self, Shaped},
};
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use valkeeper_api::service_facts::WrittenSecret;

/// Everything of ours in a connection Secret.
#[derive(Clone)]
pub struct SecretContent {
    /// Name of the Secret.
    pub name: String,
    /// Labels that are ours.
    pub labels: BTreeMap<String, String>,
    /// Annotations that are ours.
    pub annotations: BTreeMap<String, String>,
    /// Values, not yet encoded.
    pub data: BTreeMap<String, SecretString>,
    /// Values that are ours as well in a Secret that holds all of them already.
    pub bare: BTreeMap<String, SecretString>,
    /// Keys that stay unchanged, because their value is unknown this time.
    pub kept: BTreeSet<String>,
    /// What an earlier content put there.
    pub written: Option<WrittenSecret>,
}

impl fmt::Debug for SecretContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.data.keys().collect();
        formatter
            .debug_struct("SecretContent")
            .field("name", &self.name)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

impl SecretContent {
    /// The content for a Secret that holds the keys `present`, or for a new one: with the keys that have no
    /// prefix if it has, or had, all of them.
    #[must_use]
    pub fn fitting(mut self, present: Option<&BTreeSet<String>>) -> Self {
        let written: BTreeSet<String> =
            self.written.iter().flat_map(|written| written.keys.iter().cloned()).collect();
        let present = present.unwrap_or(&written);
        if self.bare.keys().all(|key| present.contains(key)) {
            self.data.append(&mut self.bare);
        }
        self.bare.clear();
        self
    }

    /// The record of it in the status.
    pub fn record(&self) -> WrittenSecret {
        let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect();
        let known = self.written.iter().flat_map(|written| &written.keys);
        let kept = known.filter(|key| self.kept.contains(*key));
        let keys: BTreeSet<_> = self.data.keys().chain(kept).cloned().collect();
        WrittenSecret {
            name: self.name.clone(),
            keys: keys.into_iter().collect(),
            labels: names(&self.labels),
            annotations: names(&self.annotations),
        }
    }
}

impl Connection {
    /// A connection from the provider's parameters; none unless all five have a real value.
    pub fn from_parameters<'a>(parameter: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let real = |name: &str| {
            parameter(name).filter(|value| !value.is_empty() && *value != HIDDEN).map(str::to_owned)
        };
        Some(Self {
            host: real("host")?,
            port: real("port")?,
            user: real("user")?,
            password: SecretString::from(real("password")?),
            ssl: real("ssl")?,
            replica: Replica::Unlisted,
            routes: Vec::new(),
            authority: None,
        })
    }

    /// A connection of the default user without TLS.
    pub fn without_tls(host: String, port: String, password: SecretString, replica: Replica) -> Self {
        let (user, ssl) = ("default".to_owned(), "disable".to_owned());
        Self { host, port, user, password, ssl, replica, routes: Vec::new(), authority: None }
    }

    /// A connection of the default user with TLS, to a server that these authorities have signed for.
    pub fn with_tls(
        host: String,
        port: String,
        password: SecretString,
        replica: Replica,
        authority: String,
    ) -> Self {
        let without = Self::without_tls(host, port, password, replica);
        Self { ssl: "require".to_owned(), authority: Some(authority), ..without }
    }

    /// The parameters that a Secret always has, by its keys.
    pub(super) fn parameters(&self, keys: UsualKeys) -> Vec<(&'static str, &str)> {
        let (user, ssl) = match keys {
            UsualKeys::Service => ("USER", Some(("SSL", self.ssl.as_str()))),
            UsualKeys::ServiceUser => ("USERNAME", None),
        };
        let always = [
            ("HOST", self.host.as_str()),
            ("PORT", self.port.as_str()),
            (user, self.user.as_str()),
            ("PASSWORD", self.password.expose_secret()),
        ];
        always.into_iter().chain(ssl).collect()
    }

    /// Whether clients must use TLS; an unknown word counts as yes.
    pub fn uses_tls(&self) -> bool {
        !["disable", "disabled", "false", "off"].contains(&self.ssl.to_ascii_lowercase().as_str())
    }

    /// The connection as one text, in the form every client library reads.
    pub(super) fn uri(&self) -> SecretString {
        let scheme = if self.uses_tls() { "rediss" } else { "redis" };
        let (user, password) = (escape(&self.user), escape(self.password.expose_secret()));
        format!("{scheme}://{user}:{password}@{}:{}", self.host, self.port).into()
    }
}

/// The content that the target requests, of a connection over the route of the target.
pub fn content(target: &SecretTarget, connection: &Connection) -> SecretContent {
    let usual = connection.parameters(target.usual_keys);
    let prefixed = |key: &str| format!("{}{key}", target.prefix);
    let named = |prefix: &str| -> BTreeMap<String, SecretString> {
        usual.iter().map(|(key, value)| (format!("{prefix}{key}"), SecretString::from(*value))).collect()
    };
    let mut content = SecretContent {
        name: target.name.clone(),
        labels: target.labels.clone(),
        annotations: target.annotations.clone(),
        data: named(&target.prefix),
        bare: if target.bare_keys { named("") } else { BTreeMap::new() },
        kept: BTreeSet::new(),
        written: target.written.clone(),
    };
    let more = target.more.iter().map(|(key, value)| (prefixed(key), value.as_str().into()));
    content.data.extend(more);
    if target.uri {
        content.data.insert(prefixed("URI"), connection.uri());
    }
    if let Some(binding) = target.binding {
        content.data.extend(binding_entries(binding, target.provider, connection));
    }
    if target.authority {
        match &connection.authority {
            Some(certificate) => {
                content.data.insert(prefixed("CA_CERT"), certificate.as_str().into());
            }
            None => {
                content.kept.insert(prefixed("CA_CERT"));
            }
        }
    }
    for (key, shaped) in shape::keys(target, connection) {
        match shaped {
            Shaped::Value(value) => drop(content.data.insert(key, value)),
            Shaped::Nothing => {}
            Shaped::Unknown => drop(content.kept.insert(key)),
        }
    }
    for (key, wanted) in [("REPLICA_HOST", target.replica_host), ("REPLICA_PORT", target.replica_port)] {
        match &connection.replica {
            _ if !wanted => {}
            Replica::None => {}
            Replica::Unlisted => {
                content.kept.insert(prefixed(key));
            }
            Replica::At { host, port } => {
                let value = if key == "REPLICA_HOST" { host } else { port };
                content.data.insert(prefixed(key), value.as_str().into());
            }
        }
    }
    content
}

/// The entries that the Service Binding specification defines.
fn binding_entries(
    binding: &'static str,
    provider: &'static str,
    connection: &Connection,
) -> [(String, SecretString); 7] {
    [
        ("type", binding.into()),
        ("provider", provider.into()),
        ("host", connection.host.as_str().into()),
        ("port", connection.port.as_str().into()),
        ("username", connection.user.as_str().into()),
        ("password", connection.password.clone()),
        ("uri", connection.uri()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(replica: Replica) -> Connection {
        let parameter = |name: &str| Some(if name == "password" { "p/a:s@s%" } else { "x" });
        Connection { replica, ..Connection::from_parameters(parameter).unwrap() }
    }

    fn target() -> SecretTarget {
        SecretTarget {
            name: "s".to_owned(),
            prefix: "V_".to_owned(),
            replica_host: true,
            replica_port: true,
            ..SecretTarget::default()
        }
    }

    fn keys(content: &SecretContent) -> Vec<&str> {
        content.data.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_uri_survives_every_password() {
        let content = content(&SecretTarget { uri: true, ..target() }, &connection(Replica::None));
        assert_eq!(content.data["V_URI"].expose_secret(), "rediss://x:p%2Fa%3As%40s%25@x:x");
    }

    #[test]
    fn replica_keys_follow_the_replica_and_stay_when_it_is_unknown() {
        let at = Replica::At { host: "r".to_owned(), port: "1".to_owned() };
        let there = content(&target(), &connection(at)).fitting(None);
        assert_eq!(there.data["V_REPLICA_HOST"].expose_secret(), "r");
        let gone = content(&target(), &connection(Replica::None)).fitting(None);
        assert_eq!(keys(&gone), ["V_HOST", "V_PASSWORD", "V_PORT", "V_SSL", "V_USER"]);
        assert!(gone.kept.is_empty());
        let target = SecretTarget { written: Some(there.record()), ..target() };
        let unknown = content(&target, &connection(Replica::Unlisted)).fitting(None);
        assert_eq!(unknown.kept.iter().collect::<Vec<_>>(), ["V_REPLICA_HOST", "V_REPLICA_PORT"]);
        assert_eq!(unknown.record(), there.record());
    }

    #[test]
    fn keys_without_prefix_stay_where_all_of_them_are() {
        let target = SecretTarget { bare_keys: true, ..target() };
        let present = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>();
        let content = || content(&target, &connection(Replica::None));
        assert_eq!(content().fitting(None).data.len(), 5);
        assert_eq!(content().fitting(Some(&present(&["HOST"]))).data.len(), 5);
        let taken_over = content().fitting(Some(&present(&["HOST", "PORT", "USER", "PASSWORD", "SSL"])));
        assert_eq!(taken_over.data.len(), 10);
        // They also return with a deleted Secret.
        let mut again = content();
        again.written = Some(taken_over.record());
        assert_eq!(again.fitting(None).data.len(), 10);
    }

    #[test]
    fn a_service_binding_has_the_entries_of_the_specification() {
        let content =
            content(&SecretTarget { binding: Some("valkey"), ..target() }, &connection(Replica::None));
        let binding: Vec<_> = keys(&content).into_iter().filter(|key| !key.starts_with("V_")).collect();
        assert_eq!(binding, ["host", "password", "port", "provider", "type", "uri", "username"]);
    }
}
