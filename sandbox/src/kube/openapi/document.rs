//! The OpenAPI documents.

use serde_json::{Value, json};

/// The OpenAPI 2 document of the built-in kinds and of `crds`.
pub fn v2(_crds: &[Value]) -> Value {
    json!({"swagger": "2.0", "paths": {}})
}

/// What `/openapi/v3` lists.
pub fn v3_index(_crds: &[Value]) -> Value {
    json!({"paths": {}})
}

/// The OpenAPI 3 document of one group and version, such as `api/v1` or `apis/example.com/v1`.
pub fn v3(_path: &str, _crds: &[Value]) -> Option<Value> {
    None
}
