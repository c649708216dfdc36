//! Whether an object has everything that was declared of it, whatever else it has: defaults of the API server and
//! fields of other managers are no difference.

use serde_json::Value;

/// Whether `live` has everything of `declared`: members of objects by name, lists in whole.
pub fn contains(live: &Value, declared: &Value) -> bool {
    match (live, declared) {
        (Value::Object(live), Value::Object(declared)) => declared.iter().all(|(key, declared)| {
            live.get(key).is_some_and(|live| contains(live, declared)) || is_empty(declared)
        }),
        (Value::Array(live), Value::Array(declared)) => {
            live.len() == declared.len()
                && live.iter().zip(declared).all(|(live, declared)| contains(live, declared))
        }
        (live, declared) => live == declared,
    }
}

/// The API server drops what is empty.
fn is_empty(declared: &Value) -> bool {
    match declared {
        Value::Null | Value::Bool(false) => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn additions_are_no_difference_and_changes_are() {
        let declared = json!({"a": {"b": 1}, "list": [{"x": 1}], "none": null, "empty": {}, "off": false});
        for same in [
            json!({"a": {"b": 1, "c": 2}, "list": [{"x": 1, "y": 2}], "more": 1}),
            json!({"a": {"b": 1}, "list": [{"x": 1}], "empty": {}}),
        ] {
            assert!(contains(&same, &declared), "{same}");
        }
        for other in [
            json!({"a": {"b": 2}, "list": [{"x": 1}]}),
            json!({"list": [{"x": 1}]}),
            json!({"a": {"b": 1}, "list": [{"x": 1}, {"x": 2}]}),
            json!({"a": 1, "list": [{"x": 1}]}),
        ] {
            assert!(!contains(&other, &declared), "{other}");
        }
    }
}
