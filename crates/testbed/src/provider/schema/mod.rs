//! The provider's own `user_config` schemas, as data next to this file: limits, defaults, nullability, create-only
//! keys, keys that rebuild the service. Create and update accept exactly what the data allows; the routes merge.

mod validate;

use super::catalogue::ServiceType;
use super::outcome::ApiError;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

/// An object as it travels on the wire.
pub(super) type Object = Map<String, Value>;

static VALKEY: LazyLock<Schema> = LazyLock::new(|| Schema::load(include_str!("valkey.json")));
static REDIS: LazyLock<Schema> = LazyLock::new(|| Schema::load(include_str!("redis.json")));
static POSTGRES: LazyLock<Schema> = LazyLock::new(|| Schema::load(include_str!("pg.json")));

/// The `user_config` schema of one service type.
pub(super) struct Schema {
    root: Value,
    patterns: HashMap<String, Regex>,
}

impl Schema {
    pub(super) fn of(service_type: ServiceType) -> &'static Self {
        match service_type {
            ServiceType::Valkey => &VALKEY,
            ServiceType::Redis => &REDIS,
            ServiceType::Postgres => &POSTGRES,
        }
    }

    fn load(text: &str) -> Self {
        // The data is part of the program: were it broken, every request with a `user_config` would be refused.
        let root: Value = serde_json::from_str(text).unwrap_or_default();
        let mut patterns = HashMap::new();
        collect_patterns(&root, &mut patterns);
        Self { root, patterns }
    }

    /// The schema itself, as the catalogue publishes it.
    pub(super) fn document(&self) -> &Value {
        &self.root
    }

    fn property(&self, key: &str) -> Option<&Value> {
        self.root["properties"].get(key)
    }

    fn flag(&self, key: &str, flag: &str) -> bool {
        self.property(key).is_some_and(|property| property[flag] == Value::Bool(true))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.property(key).is_some()
    }

    pub(super) fn is_create_only(&self, key: &str) -> bool {
        self.flag(key, "create_only")
    }

    /// Whether changing the key replaces the nodes.
    pub(super) fn rebuilds(&self, key: &str) -> bool {
        self.flag(key, "rebuilds_service")
    }

    pub(super) fn default_of(&self, key: &str) -> Option<&Value> {
        self.property(key)?.get("default")
    }

    /// Names of secrets inside the object at `key`.
    pub(super) fn secrets_in(&self, key: &str) -> impl Iterator<Item = &str> {
        let properties = self.property(key).and_then(|property| property["properties"].as_object());
        properties
            .into_iter()
            .flatten()
            .filter(|(_, property)| property["secret"] == Value::Bool(true))
            .map(|(name, _)| name.as_str())
    }

    /// What a new service reports when nothing was declared.
    pub(super) fn defaults(&self) -> Object {
        let properties = self.root["properties"].as_object();
        let with_default =
            |(key, property): (&String, &Value)| Some((key.clone(), property.get("default")?.clone()));
        properties.into_iter().flatten().filter_map(with_default).collect()
    }

    /// Whether `config` would be accepted, with the provider's message when it would not.
    pub(super) fn check(&self, config: &Object) -> Result<(), ApiError> {
        for (key, value) in config {
            let Some(property) = self.property(key) else {
                return Err(ApiError::bad_request(format!(
                    "Invalid 'user_config': Additional properties are not allowed ('{key}' was unexpected)"
                )));
            };
            self.check_value(key, value, property).map_err(|reason| {
                ApiError::bad_request(format!("Invalid 'user_config': Invalid input for {reason}"))
            })?;
        }
        Ok(())
    }

    /// Fills in defaults inside the objects that `config` declares.
    pub(super) fn complete(&self, config: &mut Object) {
        for (key, value) in config {
            let (Some(object), Some(property)) = (value.as_object_mut(), self.property(key)) else {
                continue;
            };
            for (name, nested) in property["properties"].as_object().into_iter().flatten() {
                if let Some(default) = nested.get("default") {
                    object.entry(name.clone()).or_insert_with(|| default.clone());
                }
            }
        }
    }
}

fn collect_patterns(node: &Value, patterns: &mut HashMap<String, Regex>) {
    match node {
        Value::Object(object) => {
            if let Some(pattern) = object.get("pattern").and_then(Value::as_str)
                && let Ok(regex) = Regex::new(pattern)
            {
                patterns.insert(pattern.to_owned(), regex);
            }
            object.values().for_each(|value| collect_patterns(value, patterns));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_patterns(value, patterns)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(service_type: ServiceType, config: &Value) -> String {
        let config = config.as_object().cloned().unwrap_or_default();
        Schema::of(service_type).check(&config).unwrap_err().message
    }

    #[test]
    fn null_is_refused_where_the_key_is_not_nullable() {
        assert_eq!(
            refusal(ServiceType::Valkey, &json!({ "ip_filter": null })),
            "Invalid 'user_config': Invalid input for ip_filter: None is not of type 'array'"
        );
        let nullable = json!({ "valkey_maxmemory_policy": null, "migration": null, "service_log": null });
        assert!(Schema::of(ServiceType::Valkey).check(nullable.as_object().unwrap()).is_ok());
    }

    #[test]
    fn limits_come_from_the_provider_not_the_resource_contract() {
        let accepted =
            json!({ "valkey_io_threads": 256, "valkey_pubsub_client_output_buffer_limit": 262_144 });
        assert!(Schema::of(ServiceType::Valkey).check(accepted.as_object().unwrap()).is_ok());
        assert!(
            refusal(ServiceType::Valkey, &json!({ "valkey_io_threads": 257 }))
                .ends_with("257 is greater than the maximum of 256")
        );
        assert!(
            refusal(ServiceType::Redis, &json!({ "redis_io_threads": 33 }))
                .ends_with("33 is greater than the maximum of 32")
        );
    }

    #[test]
    fn unknown_keys_are_refused_at_every_depth() {
        assert!(
            refusal(ServiceType::Valkey, &json!({ "redis_timeout": 1 }))
                .contains("'redis_timeout' was unexpected")
        );
        let nested = json!({ "ip_filter": [{ "network": "10.0.0.0/8", "note": "x" }] });
        assert!(refusal(ServiceType::Valkey, &nested).contains("'note' was unexpected"));
    }

    #[test]
    fn ip_filter_takes_texts_and_objects_side_by_side() {
        let mixed =
            json!({ "ip_filter": ["10.0.0.0/8", { "network": "10.1.0.0/16", "description": "office" }] });
        assert!(Schema::of(ServiceType::Valkey).check(mixed.as_object().unwrap()).is_ok());
        assert!(
            refusal(ServiceType::Valkey, &json!({ "ip_filter": [{}] }))
                .contains("'network' is a required property")
        );
    }

    #[test]
    fn patterns_and_enumerations_are_checked() {
        assert!(
            refusal(ServiceType::Valkey, &json!({ "valkey_notify_keyspace_events": "Q" }))
                .contains("does not match")
        );
        assert!(
            refusal(ServiceType::Valkey, &json!({ "valkey_persistence": "aof" })).contains("is not one of")
        );
    }

    #[test]
    fn defaults_of_a_declared_object_are_filled_in() {
        let mut config = json!({ "migration": { "host": "a", "port": 1 } }).as_object().cloned().unwrap();
        Schema::of(ServiceType::Valkey).complete(&mut config);
        assert_eq!(config["migration"]["ssl"], json!(true));
    }
}
