//! How a connection is shaped for applications that cannot read the five usual keys: routes, presets, templates of
//! single keys, and a ConfigMap without secrets.
//!
//! Types and their grammar only. The engine fills in values. A template has placeholders from a closed list and no
//! other syntax, so a schema pattern can check it completely.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

/// The placeholders that a template may have.
pub const PLACEHOLDERS: [&str; 8] =
    ["scheme", "host", "port", "user", "password", "ssl", "replicaHost", "replicaPort"];

/// The templates that use nothing else.
const TEMPLATE: &str = r"^([^{}]|\{(scheme|host|port|user|password|ssl|replicaHost|replicaPort)\})*$";

/// The way to a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("enum" = ["Dynamic", "Private", "PrivateLink", "Public"]))]
pub struct Route(pub String);

/// A set of keys for one client library or framework.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("enum" = ["uri", "jdbc", "stackexchange", "sidekiq", "django", "spring"]))]
pub struct Preset(pub String);

/// The value of a key, with placeholders such as `{host}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("maxLength" = 1024, "pattern" = TEMPLATE))]
pub struct KeyTemplate(pub String);

/// The ConfigMap that connection parameters without secrets are written to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionConfigMapTarget {
    /// Name of the ConfigMap. It stays once set.
    #[validate(length(min = 1, max = 253))]
    pub name: String,
    /// What every key starts with, taken as it is. By default the kind in upper case and an underscore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Labels added to the ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations added to the ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// The way to the service, as in `connInfoSecretTarget.route`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
}

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Written as it is.
    Text(&'t str),
    /// One of [`PLACEHOLDERS`], to be replaced by its value.
    Placeholder(&'t str),
}

/// The pieces of a template in their order; nothing when it breaks the grammar.
pub fn pieces(template: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        if text.contains('}') || !PLACEHOLDERS.contains(&name) {
            return None;
        }
        pieces.extend([Piece::Text(text), Piece::Placeholder(name)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    (!rest.contains('}')).then_some(pieces)
}

/// The keys that a preset adds, where other keys start with `prefix`. Frameworks that read fixed names get these.
pub fn preset_keys(preset: &str, prefix: &str) -> Vec<String> {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match preset {
        "uri" => vec![format!("{prefix}URI")],
        "jdbc" => vec![format!("{prefix}JDBC_URL")],
        "stackexchange" => vec![format!("{prefix}STACKEXCHANGE")],
        "sidekiq" => texts(&["REDIS_URL"]),
        "django" => texts(&["CACHE_URL"]),
        "spring" => texts(&[
            "SPRING_DATA_REDIS_HOST",
            "SPRING_DATA_REDIS_PORT",
            "SPRING_DATA_REDIS_USERNAME",
            "SPRING_DATA_REDIS_PASSWORD",
            "SPRING_DATA_REDIS_SSL_ENABLED",
        ]),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar_and_pattern_of_templates_agree() {
        let pattern = regex::Regex::new(TEMPLATE).unwrap();
        let table = [
            ("{scheme}://{user}:{password}@{host}:{port}/0", true),
            ("", true),
            ("plain", true),
            ("{host}", true),
            ("{replicaHost}:{replicaPort} {ssl}", true),
            ("{hostname}", false),
            ("{Host}", false),
            ("{ host }", false),
            ("{host", false),
            ("host}", false),
            ("{}", false),
            ("{{host}}", false),
            ("a}{host}", false),
        ];
        for (template, good) in table {
            assert_eq!(pattern.is_match(template), good, "{template}");
            assert_eq!(pieces(template).is_some(), good, "{template}");
        }
        assert_eq!(
            pieces("a{host}b").unwrap(),
            [Piece::Text("a"), Piece::Placeholder("host"), Piece::Text("b")]
        );
    }
}
