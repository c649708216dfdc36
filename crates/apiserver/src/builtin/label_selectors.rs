//! Label selectors inside of objects: their syntax, and which labels they match.

use serde_json::Value;

use crate::field_error::FieldError;
use crate::metadata::{self, names};

/// What is wrong with the selector in `field`.
pub(super) fn validate(field: &str, selector: &Value, errors: &mut Vec<FieldError>) {
    metadata::validate_labels(&format!("{field}.matchLabels"), &selector["matchLabels"], errors);
    for (index, requirement) in list(&selector["matchExpressions"]).iter().enumerate() {
        let field = format!("{field}.matchExpressions[{index}]");
        let values = list(&requirement["values"]);
        match requirement["operator"].as_str().unwrap_or_default() {
            "In" | "NotIn" if values.is_empty() => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(format!("{field}.values"), detail));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(format!("{field}.values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(FieldError::invalid(
                format!("{field}.operator"),
                &Value::from(other),
                "not a valid selector operator",
            )),
        }
        let key = requirement["key"].as_str().unwrap_or_default();
        FieldError::extend(errors, format!("{field}.key"), key, names::qualified_name(key));
        for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
            FieldError::extend(errors, format!("{field}.values[{index}]"), value, names::label_value(value));
        }
    }
}

/// Whether the selector demands nothing.
pub(super) fn is_empty(selector: &Value) -> bool {
    let labels = selector["matchLabels"].as_object().is_none_or(serde_json::Map::is_empty);
    labels && list(&selector["matchExpressions"]).is_empty()
}

/// Whether the selector matches the labels. One that is absent matches nothing.
pub(crate) fn matches(selector: &Value, labels: &Value) -> bool {
    let required = selector["matchLabels"].as_object().into_iter().flatten();
    selector.is_object()
        && required.into_iter().all(|(key, value)| labels[key] == *value)
        && list(&selector["matchExpressions"]).iter().all(|requirement| {
            let label = &labels[requirement["key"].as_str().unwrap_or_default()];
            let listed = list(&requirement["values"]).contains(label);
            match requirement["operator"].as_str().unwrap_or_default() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => !label.is_null(),
                _ => label.is_null(),
            }
        })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_matches_if_all_of_its_requirements_do() {
        let labels = json!({"a": "b"});
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        let table = [
            (json!({}), true),
            (json!(null), false),
            (json!({"matchLabels": {"a": "b"}}), true),
            (json!({"matchLabels": {"a": "c"}}), false),
            (expression("a", "In", &["b", "c"]), true),
            (expression("a", "NotIn", &["b"]), false),
            (expression("x", "NotIn", &["b"]), true),
            (expression("x", "Exists", &[]), false),
            (expression("x", "DoesNotExist", &[]), true),
        ];
        for (selector, expected) in table {
            assert_eq!(matches(&selector, &labels), expected, "{selector}");
        }
    }
}
