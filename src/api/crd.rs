//! The custom resource definitions: what the derives produce, brought into the form users are served.
//!
//! The derives give types, bounds and descriptions. Here nullability is taken out (the API server drops such
//! nulls anyway), number formats are dropped and limits become whole numbers.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use super::{Kind, Redis, Valkey};

/// The definition of a kind, as installed in a cluster.
pub fn definition(kind: Kind) -> Result<CustomResourceDefinition, serde_json::Error> {
    let derived = match kind {
        Kind::Valkey => Valkey::crd(),
        Kind::Redis => Redis::crd(),
    };
    let mut definition = serde_json::to_value(derived)?;
    for version in definition["spec"]["versions"].as_array_mut().into_iter().flatten() {
        normalise(&mut version["schema"]["openAPIV3Schema"]);
        version["additionalPrinterColumns"] = printer_columns();
    }
    serde_json::from_value(definition)
}

/// What `kubectl get` shows.
fn printer_columns() -> Value {
    let column = |name: &str, kind: &str, path: &str| json!({"name": name, "type": kind, "jsonPath": path});
    json!([
        column("Project", "string", ".spec.project"),
        column("Region", "string", ".spec.cloudName"),
        column("Plan", "string", ".spec.plan"),
        column("State", "string", ".status.state"),
        column("Age", "date", ".metadata.creationTimestamp"),
    ])
}

/// Makes a schema plain, here and below.
fn normalise(schema: &mut Value) {
    let Value::Object(keywords) = schema else { return };
    keywords.remove("nullable");
    if matches!(keywords.get("type"), Some(Value::String(name)) if name == "integer") {
        keywords.remove("format");
    }
    for limit in ["minimum", "maximum"] {
        if let Some(number) = keywords.get_mut(limit) {
            *number = whole(number);
        }
    }
    for (_, property) in keywords.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        normalise(property);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = keywords.get_mut(inner) {
            normalise(inner);
        }
    }
}

/// `23.0` as `23`.
fn whole(number: &Value) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "limits are small whole numbers")]
    number.as_f64().map_or_else(|| number.clone(), |float| Value::from(float as i64))
}
