//! The rules of a `ValkeyCluster` that bounds cannot express, as CEL for the API server.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;

use crate::rules::{PlacedRule, field};
use crate::valkey_backup::destination;

/// What a cluster may be called, as a phrase that follows the field.
pub const NAME_RULE: &str = "is the beginning of the names of pods and Services: at most 40 lower-case letters, digits \
     and hyphens, starting with a letter and ending with a letter or digit";
/// The names that [`NAME_RULE`] describes.
pub(super) const NAME_PATTERN: &str = "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$";
/// Versions of each engine.
pub(super) const VALKEY_VERSION: &str = "^[89]([.][0-9]+){1,2}$";
pub(super) const REDIS_VERSION: &str = "^7[.]2([.][0-9]+)?$";
/// Names of directives.
pub(super) const DIRECTIVE: &str = "^[a-z][a-z0-9-]{0,63}$";

/// Directives that the operator sets, because they decide about roles, users, files, addresses or memory.
pub const RESERVED_DIRECTIVES: [&str; 44] = [
    "acl-pubsub-default",
    "aclfile",
    "appenddirname",
    "appendfilename",
    "appendonly",
    "bind",
    "cluster-enabled",
    "daemonize",
    "dbfilename",
    "dir",
    "include",
    "masterauth",
    "masteruser",
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "pidfile",
    "port",
    "primaryauth",
    "primaryuser",
    "rename-command",
    "replica-announce-ip",
    "replica-announce-port",
    "replica-read-only",
    "replicaof",
    "requirepass",
    "slave-read-only",
    "slaveof",
    "supervised",
    "tls-auth-clients",
    "tls-auto-reload-interval",
    "tls-ca-cert-dir",
    "tls-ca-cert-file",
    "tls-cert-file",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-cluster",
    "tls-key-file",
    "tls-port",
    "tls-replication",
    "unixsocket",
    "unixsocketperm",
    "user",
];

/// Message about a version that the engine does not have.
pub(super) const VERSION_RULE: &str =
    "must be 8.0 or later for Valkey, such as 8.1 or 9.0.1, and 7.2 or 7.2.x for Redis";
/// Message about a name in `config`.
pub(super) const DIRECTIVE_RULE: &str =
    "must be names of directives in lower case that the operator does not set itself";
/// How many directives there may be.
pub(super) const MOST_DIRECTIVES: usize = 64;

/// Where destinations of backups are.
pub(super) const DESTINATIONS: [&[&str]; 2] =
    [&["spec", "bootstrap", "backup", "source", "destination"], &["spec", "finalBackup", "destination"]];
/// What the names of labels begin with that the operator sets.
pub(super) const OWN_LABELS: [&str; 2] = ["app.kubernetes.io/", "valkeeper.io/"];
/// Message about such a label.
pub(super) const LABEL_RULE: &str = "must not have labels of app.kubernetes.io/ or valkeeper.io/";
/// Message about a ConfigMap that is another one already.
pub(super) const PARAMETERS_RULE: &str = "must not be the ConfigMap of the servers, <name>-settings";
/// Message about clients that could get no certificate.
pub(super) const CLIENT_AUTH_RULE: &str =
    "needs secretName: clients get their certificates from the issuer of that Secret";
/// Message about a Secret that the operator writes.
pub(super) const TLS_SECRET_RULE: &str = "must not be a Secret that the operator writes for this cluster";
/// What the names of those Secrets end with, after the name of the cluster.
pub(super) const OWN_SECRETS: [&str; 7] =
    [ACCESS_SECRET, "-authority", "-certificate", "-client-authority", "-client-tls", "-password", "-users"];
/// What the name of the Secret ends with from which servers take their passwords.
pub(super) const ACCESS_SECRET: &str = "-access";
/// Message about that Secret where the password should come from.
pub(super) const PASSWORD_SECRET_RULE: &str = "must not be the Secret of the servers, <name>-access";
/// Message about a promise that two servers cannot keep.
pub(super) const DURABILITY_RULE: &str = "Quorum needs at least 3 instances";
/// What a cluster needs for it.
pub(super) const QUORUM_INSTANCES: i64 = 3;
/// Message about a volume without a size.
pub(super) const SIZE_RULE: &str = "is required unless the mode is None";

/// Every CEL rule of the kind.
pub fn rules() -> Vec<PlacedRule> {
    let reserved = RESERVED_DIRECTIVES.map(|name| format!("'{name}'")).join(", ");
    let name = ValidationRule {
        rule: format!("self.metadata.name.matches('{NAME_PATTERN}')"),
        message: Some(format!("metadata.name {NAME_RULE}.")),
        ..ValidationRule::default()
    };
    let mut rules = vec![PlacedRule { path: Vec::new(), rule: name }];
    rules.extend(servers());
    rules.extend(persistence());
    rules.push(field(
        &["spec", "config"],
        &format!("self.all(name, name.matches('{DIRECTIVE}') && !(name in [{reserved}]))"),
        &format!("config {DIRECTIVE_RULE}."),
    ));
    rules.extend(super::bootstrap::rules());
    rules.extend(parameters());
    rules.extend(tls());
    rules.push(password());
    let own = OWN_LABELS.map(|own| format!("!label.startsWith('{own}')")).join(" && ");
    rules.push(field(
        &["spec", "workloadIdentity", "podLabels"],
        &format!("self.all(label, {own})"),
        &format!("podLabels {LABEL_RULE}."),
    ));
    rules.extend(DESTINATIONS.iter().flat_map(|path| destination::rules(path)));
    rules
}

/// A rule of the spec, with the field that its message names.
fn spec(at: &str, rule: &str, message: &str) -> PlacedRule {
    PlacedRule {
        path: vec!["spec"],
        rule: ValidationRule {
            rule: rule.to_owned(),
            message: Some(message.to_owned()),
            field_path: Some(at.to_owned()),
            ..ValidationRule::default()
        },
    }
}

/// Which servers there are, and what they promise.
fn servers() -> [PlacedRule; 3] {
    [
        spec(
            ".version",
            &format!(
                "self.engine == 'Redis' ? self.version.matches('{REDIS_VERSION}') : \
                 self.version.matches('{VALKEY_VERSION}')"
            ),
            &format!("version {VERSION_RULE}."),
        ),
        spec(
            ".engine",
            "self.engine == 'Valkey' || oldSelf.engine != 'Valkey'",
            "engine cannot go back from Valkey to Redis.",
        ),
        spec(
            ".durability",
            &format!("self.durability != 'Quorum' || self.instances >= {QUORUM_INSTANCES}"),
            &format!("durability {DURABILITY_RULE}."),
        ),
    ]
}

/// Volumes stay as they were created, but for their size.
fn persistence() -> [PlacedRule; 5] {
    [
        spec(
            ".persistence",
            "(has(self.persistence) && self.persistence.mode != 'None') == \
             (has(oldSelf.persistence) && oldSelf.persistence.mode != 'None')",
            "persistence cannot be added or removed later.",
        ),
        size(),
        field(
            &["spec", "persistence"],
            "self.mode == oldSelf.mode || self.mode == 'None' || oldSelf.mode == 'None'",
            "persistence.mode is immutable. Restore a backup into a new cluster.",
        ),
        field(
            &["spec", "persistence"],
            "has(self.size) == has(oldSelf.size)",
            "persistence.size cannot be removed.",
        ),
        field(
            &["spec", "persistence"],
            "has(self.storageClassName) == has(oldSelf.storageClassName) && \
             (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
            "persistence.storageClassName is immutable.",
        ),
    ]
}

/// The ConfigMap with parameters is never left behind, and is not that of the servers.
fn parameters() -> [PlacedRule; 2] {
    let fixed = "!has(oldSelf.connInfoConfigMapTarget) || (has(self.connInfoConfigMapTarget) && \
                 self.connInfoConfigMapTarget.name == oldSelf.connInfoConfigMapTarget.name)";
    let distinct = ValidationRule {
        rule: "!has(self.spec.connInfoConfigMapTarget) || \
               self.spec.connInfoConfigMapTarget.name != self.metadata.name + '-settings'"
            .to_owned(),
        message: Some(format!("spec.connInfoConfigMapTarget.name {PARAMETERS_RULE}.")),
        ..ValidationRule::default()
    };
    [
        field(&["spec"], fixed, "connInfoConfigMapTarget.name is immutable: the target cannot be removed."),
        PlacedRule { path: Vec::new(), rule: distinct },
    ]
}

/// Clients always have a port that they know, and certificates that they can get.
fn tls() -> [PlacedRule; 4] {
    let own = OWN_SECRETS.map(|end| format!("self.metadata.name + '{end}'")).join(", ");
    let distinct = ValidationRule {
        rule: format!(
            "!has(self.spec.tls) || !has(self.spec.tls.secretName) || !(self.spec.tls.secretName in [{own}])"
        ),
        message: Some(format!("spec.tls.secretName {TLS_SECRET_RULE}.")),
        ..ValidationRule::default()
    };
    let issuer = ValidationRule {
        rule: "self.clientAuth == 'Off' || has(self.secretName)".to_owned(),
        message: Some(format!("tls.clientAuth {CLIENT_AUTH_RULE}.")),
        field_path: Some(".clientAuth".to_owned()),
        ..ValidationRule::default()
    };
    [
        field(
            &["spec"],
            "!has(self.tls) || has(oldSelf.tls) || self.tls.plaintext",
            "tls.plaintext must be true while TLS is added to a cluster that exists.",
        ),
        field(&["spec"], "has(self.tls) || !has(oldSelf.tls)", "tls cannot be removed."),
        PlacedRule { path: vec!["spec", "tls"], rule: issuer },
        PlacedRule { path: Vec::new(), rule: distinct },
    ]
}

/// A password does not come from where it goes.
fn password() -> PlacedRule {
    let rule = format!(
        "!has(self.spec.access) || !has(self.spec.access.passwordSecretRef) || \
         self.spec.access.passwordSecretRef.name != self.metadata.name + '{ACCESS_SECRET}'"
    );
    let message = format!("spec.access.passwordSecretRef.name {PASSWORD_SECRET_RULE}.");
    let rule = ValidationRule { rule, message: Some(message), ..ValidationRule::default() };
    PlacedRule { path: Vec::new(), rule }
}

/// A volume has a size.
fn size() -> PlacedRule {
    let rule = ValidationRule {
        rule: "self.mode == 'None' || has(self.size)".to_owned(),
        message: Some(format!("persistence.size {SIZE_RULE}.")),
        field_path: Some(".size".to_owned()),
        ..ValidationRule::default()
    };
    PlacedRule { path: vec!["spec", "persistence"], rule }
}
