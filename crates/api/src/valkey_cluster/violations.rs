//! Judges the spec of a `ValkeyCluster`: the bounds of its schema, and the rules that a schema cannot express.

use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

use super::bootstrap::{BACKUP_RULE, BOOTSTRAP_RULE, USERNAME_RULE};
use super::rules::{
    ACCESS_SECRET, CLIENT_AUTH_RULE, DESTINATIONS, DIRECTIVE, DIRECTIVE_RULE, DURABILITY_RULE, LABEL_RULE,
    MOST_DIRECTIVES, NAME_PATTERN, NAME_RULE, OWN_LABELS, OWN_SECRETS, PARAMETERS_RULE, PASSWORD_SECRET_RULE,
    QUORUM_INSTANCES, REDIS_VERSION, RESERVED_DIRECTIVES, SIZE_RULE, TLS_SECRET_RULE, VALKEY_VERSION,
    VERSION_RULE,
};
use super::{ValkeyCluster, ValkeyClusterSpec};
use crate::crd;
use crate::field_path::FieldPath;
use crate::validate::{Violation, bounds::Bounds, metadata, of_object, sorted};
use crate::valkey_backup::destination;
use crate::valkey_scheduled_backup::of_schedule;

static BOUNDS: LazyLock<Bounds> = LazyLock::new(|| Bounds::of(&crd::valkey_cluster_schema()));

/// Every rule that a decoded resource breaks, in the order of its fields.
pub fn violations(object: &ValkeyCluster) -> Vec<Violation> {
    of_object(object, of_spec)
}

/// Every rule that a manifest breaks, unknown fields among them, in the order of its fields.
pub fn manifest_violations(manifest: &Value) -> Vec<Violation> {
    let mut violations = of_spec(manifest);
    violations.extend(metadata::check(manifest));
    BOUNDS.unknown_in_status(manifest, &mut violations);
    sorted(violations)
}

/// Rules about where the data comes from.
fn of_bootstrap(manifest: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    if let Some(bootstrap) = manifest.pointer("/spec/bootstrap")
        && bootstrap.get("backup").is_some() == bootstrap.get("server").is_some()
    {
        violations.push(violation(&["spec", "bootstrap"], BOOTSTRAP_RULE.to_owned()));
    }
    if manifest.pointer("/spec/bootstrap/server/username").is_some()
        && manifest.pointer("/spec/bootstrap/server/passwordSecretRef").is_none()
    {
        violations.push(violation(&["spec", "bootstrap", "server"], format!("username {USERNAME_RULE}")));
    }
    if let Some(backup) = manifest.pointer("/spec/bootstrap/backup")
        && backup.get("name").is_some() == backup.get("source").is_some()
    {
        violations.push(violation(&["spec", "bootstrap", "backup"], BACKUP_RULE.to_owned()));
    }
    violations
}

fn of_spec(manifest: &Value) -> Vec<Violation> {
    let mut violations = BOUNDS.check(manifest);
    let text = |path: &str| manifest.pointer(path).and_then(Value::as_str);
    if let Some(name) = text("/metadata/name").filter(|name| !matches(NAME_PATTERN, name)) {
        violations.push(shown(&["metadata", "name"], name, NAME_RULE));
    }
    if let Some(version) = text("/spec/version") {
        let pattern = if text("/spec/engine") == Some("Redis") { REDIS_VERSION } else { VALKEY_VERSION };
        if !matches(pattern, version) {
            violations.push(shown(&["spec", "version"], version, VERSION_RULE));
        }
    }
    let instances = manifest.pointer("/spec/instances").and_then(Value::as_i64);
    if text("/spec/durability") == Some("Quorum") && instances.is_some_and(|count| count < QUORUM_INSTANCES) {
        violations.push(shown(&["spec", "durability"], "Quorum", DURABILITY_RULE));
    }
    let persists = text("/spec/persistence/mode").is_some_and(|mode| mode != "None");
    if persists && manifest.pointer("/spec/persistence/size").is_none() {
        violations.push(violation(&["spec", "persistence", "size"], SIZE_RULE.to_owned()));
    }
    violations.extend(of_bootstrap(manifest));
    violations.extend(DESTINATIONS.iter().flat_map(|path| destination::violations(manifest, path)));
    if let Some(map) = text("/spec/connInfoConfigMapTarget/name")
        && text("/metadata/name").is_some_and(|name| map == format!("{name}-settings"))
    {
        violations.push(shown(&["spec", "connInfoConfigMapTarget", "name"], map, PARAMETERS_RULE));
    }
    if let Some(secret) = text("/spec/access/passwordSecretRef/name")
        && text("/metadata/name").is_some_and(|name| secret == format!("{name}{ACCESS_SECRET}"))
    {
        let field = ["spec", "access", "passwordSecretRef", "name"];
        violations.push(shown(&field, secret, PASSWORD_SECRET_RULE));
    }
    let labels = manifest.pointer("/spec/workloadIdentity/podLabels").and_then(Value::as_object);
    let is_own = |label: &&String| OWN_LABELS.iter().any(|own| label.starts_with(own));
    if let Some(label) = labels.and_then(|labels| labels.keys().find(is_own)) {
        violations.push(shown(&["spec", "workloadIdentity", "podLabels"], label, LABEL_RULE));
    }
    violations.extend(of_tls(manifest));
    violations.extend(of_schedule(manifest, &["spec", "update", "window"]));
    let directives = manifest.pointer("/spec/config").and_then(Value::as_object);
    if directives.is_some_and(|directives| directives.len() > MOST_DIRECTIVES) {
        let rule = format!("must have at most {MOST_DIRECTIVES} entries");
        violations.push(violation(&["spec", "config"], rule));
    }
    let wrong = directives
        .into_iter()
        .flatten()
        .find(|(name, _)| !matches(DIRECTIVE, name) || RESERVED_DIRECTIVES.contains(&name.as_str()));
    if let Some((name, _)) = wrong {
        violations.push(shown(&["spec", "config"], name, DIRECTIVE_RULE));
    }
    violations
}

fn of_tls(manifest: &Value) -> Option<Violation> {
    let tls = manifest.pointer("/spec/tls")?;
    let text = |field: &str| tls.get(field).and_then(Value::as_str);
    let Some(secret) = text("secretName") else {
        let asks = text("clientAuth").filter(|auth| *auth != "Off")?;
        return Some(shown(&["spec", "tls", "clientAuth"], asks, CLIENT_AUTH_RULE));
    };
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str)?;
    let is_own = OWN_SECRETS.iter().any(|end| secret == format!("{name}{end}"));
    is_own.then(|| shown(&["spec", "tls", "secretName"], secret, TLS_SECRET_RULE))
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

fn violation(field: &[&str], rule: String) -> Violation {
    Violation { field: FieldPath::of(field), value: String::new(), rule }
}

fn shown(field: &[&str], value: &str, rule: &str) -> Violation {
    Violation { value: Value::from(value).to_string(), ..violation(field, rule.to_owned()) }
}

impl ValkeyClusterSpec {
    /// Whether writes that enough replicas have confirmed are promised to survive.
    pub fn has_quorum(&self) -> bool {
        self.durability == "Quorum"
    }

    /// Whether data is kept on volumes.
    pub fn persists(&self) -> bool {
        self.persistence.as_ref().is_some_and(|persistence| persistence.mode != "None")
    }
}
