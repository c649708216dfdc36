//! The list of requests that the fake received, without secrets.

use serde_json::Value;

/// One received request.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// HTTP method.
    pub method: String,
    /// Path without the query, as received.
    pub path: String,
    /// Query string, as received.
    pub query: String,
    /// JSON body in which secrets are replaced by `<removed>`; `None` without a JSON body.
    pub body: Option<Value>,
    /// `User-Agent` header.
    pub user_agent: Option<String>,
    /// Status of the answer; `None` while there is no answer, and after a connection reset.
    pub status: Option<u16>,
    /// Whether an injected fault decided the answer.
    pub injected: bool,
    /// Whether the request reached the provider's state. Late effects set it late.
    pub took_effect: bool,
}

const SECRET_KEYS: [&str; 7] =
    ["password", "new_password", "service_uri", "source_service_uri", "token", "access_token", "full_token"];

/// Replaces secrets by `<removed>`.
pub(crate) fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, inner)| {
                let secret = SECRET_KEYS.contains(&key.as_str()) && !inner.is_null();
                (key.clone(), if secret { "<removed>".into() } else { without_secrets(inner) })
            })
            .collect(),
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_removed_on_every_level() {
        let body = json!({"user_config": {"migration": {"host": "h", "password": "p"}}, "new_password": "p",
            "list": [{"token": "t"}], "password": null});
        let clean = json!({"user_config": {"migration": {"host": "h", "password": "<removed>"}},
            "new_password": "<removed>", "list": [{"token": "<removed>"}], "password": null});
        assert_eq!(without_secrets(&body), clean);
    }
}
