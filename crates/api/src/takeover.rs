//! The `Valkey` that takes over a `Redis`, as a manifest: the same spec, the settings under their new names, and a list of
//! what has no equivalent. Pure.

use serde_json::{Map, Value, json};
use std::fmt;

use super::{Kind, ManagedService as _, Redis, names};

/// A manifest, and what it leaves out.
#[derive(Clone, PartialEq)]
pub struct Translation {
    /// The `Valkey`.
    pub manifest: Value,
    /// Fields of the `Redis` that it does not have, each with the reason.
    pub left_out: Vec<(String, &'static str)>,
}

/// A manifest can hold the password of a migration.
impl fmt::Debug for Translation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Translation").field("left_out", &self.left_out).finish_non_exhaustive()
    }
}

/// Fields of the spec that only count when a service is created, or for the way to it.
const FIELDS: [(&str, &str); 3] = [
    ("adoptionPolicy", "migrateFrom takes its place"),
    ("migrationSecretSource", "a migration of data ends with the Redis"),
    ("serviceIntegrations", "counts only when a service is created"),
];
/// Members of these settings carry the name of the kind.
const ROUTES: [&str; 3] = ["private_access", "privatelink_access", "public_access"];

/// The `Valkey` for `redis`.
pub fn translate(redis: &Redis) -> Translation {
    let name = redis.metadata.name.clone().unwrap_or_default();
    let mut left_out = Vec::new();
    let mut spec = match serde_json::to_value(redis.service()) {
        Ok(Value::Object(spec)) => spec,
        // Plain data always serialises, and to an object.
        _ => Map::new(),
    };
    for (field, why) in FIELDS {
        if spec.remove(field).is_some() {
            left_out.push((format!("spec.{field}"), why));
        }
    }
    // The default of the definition.
    if spec.get("powered") == Some(&Value::Bool(true)) {
        spec.remove("powered");
    }
    let settings = settings(&redis.user_config(), &mut left_out);
    spec.insert("migrateFrom".to_owned(), json!({"redis": name}));
    if !settings.is_empty() {
        spec.insert("userConfig".to_owned(), settings.into());
    }
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(name));
    if let Some(namespace) = &redis.metadata.namespace {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    if let Some(labels) = redis.metadata.labels.as_ref().filter(|labels| !labels.is_empty()) {
        metadata.insert("labels".to_owned(), json!(labels));
    }
    for annotation in redis.metadata.annotations.iter().flatten().map(|(key, _)| key) {
        if names::is_request(annotation) {
            left_out.push((
                format!("metadata.annotations[{annotation:?}]"),
                "may not mean the same for the Valkey",
            ));
        }
    }
    let manifest = json!({
        "apiVersion": format!("{}/{}", super::GROUP, super::VERSION), "kind": Kind::Valkey.name(),
        "metadata": metadata, "spec": spec,
    });
    Translation { manifest, left_out }
}

fn settings(before: &Map<String, Value>, left_out: &mut Vec<(String, &'static str)>) -> Map<String, Value> {
    let mut after = Map::new();
    for (key, value) in before {
        let renamed = key.strip_prefix("redis_").map_or_else(|| key.clone(), |rest| format!("valkey_{rest}"));
        let fact = Kind::Valkey.user_config_facts().iter().find(|fact| fact.name == renamed);
        let why = match fact {
            None => Some("Valkey has no such setting"),
            Some(fact) if fact.create_only => Some("counts only when a service is created"),
            Some(_) if renamed == "valkey_version" => Some("Aiven chooses the version of Valkey"),
            Some(_) if renamed == "recovery_basebackup_name" => Some("counts only when a service is created"),
            Some(_) if renamed == "migration" => Some("a migration of data ends with the Redis"),
            Some(_) => None,
        };
        match why {
            Some(why) => left_out.push((format!("spec.userConfig.{key}"), why)),
            None => drop(after.insert(renamed, member_names(key, value))),
        }
    }
    after
}

fn member_names(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) if ROUTES.contains(&key) => {
            let renamed = |(name, value): (&String, &Value)| {
                let name =
                    if name == Kind::Redis.service_type() { Kind::Valkey.service_type() } else { name };
                (name.to_owned(), value.clone())
            };
            members.iter().map(renamed).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::validate_manifest;

    fn redis(spec: &Value) -> Redis {
        let mut all = json!({"project": "p", "plan": "startup-4"});
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Redis",
            "metadata": {"name": "cache", "labels": {"team": "shop"}, "annotations": {"valkeeper.io/paused": "true",
                "controllers.aiven.io/generation-was-processed": "1", "note": "x"}}, "spec": all}))
        .unwrap()
    }

    #[test]
    fn manifest_has_the_same_spec_under_the_names_of_valkey() {
        let redis = redis(&json!({
            "connInfoSecretTarget": {"name": "conn"}, "tags": {"a": "b"}, "powered": true,
            "userConfig": {"redis_timeout": 9, "redis_version": "7.0", "ip_filter": [{"network": "10.0.0.0/8"}],
                "public_access": {"redis": true, "prometheus": true}, "service_to_fork_from": "other"},
        }));
        let Translation { manifest, left_out } = translate(&redis);
        assert_eq!(
            manifest,
            json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
                "metadata": {"name": "cache", "labels": {"team": "shop"}},
                "spec": {"project": "p", "plan": "startup-4", "connInfoSecretTarget": {"name": "conn"},
                    "tags": {"a": "b"}, "migrateFrom": {"redis": "cache"},
                    "userConfig": {"valkey_timeout": 9, "ip_filter": [{"network": "10.0.0.0/8"}],
                        "public_access": {"valkey": true, "prometheus": true}}}})
        );
        let fields: Vec<_> = left_out.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "spec.userConfig.redis_version",
                "spec.userConfig.service_to_fork_from",
                "metadata.annotations[\"valkeeper.io/paused\"]",
            ]
        );
        assert_eq!(validate_manifest(Kind::Valkey, &manifest), []);
    }

    #[test]
    fn every_setting_is_translated_or_named() {
        for fact in Kind::Redis.user_config_facts() {
            let (mut left_out, before) =
                (Vec::new(), [(fact.name.to_owned(), Value::Null)].into_iter().collect());
            let after = settings(&before, &mut left_out);
            assert_eq!(after.len() + left_out.len(), 1, "{}", fact.name);
        }
    }
}
