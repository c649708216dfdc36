//! Namespaces. Their deletion is left to the server.

use serde_json::{Value, json};

use crate::metadata::fields;

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const FINALIZER: &str = "kubernetes";

pub(super) fn default_create(namespace: &mut Value) {
    let mut finalizers = namespace["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        finalizers.push(Value::from(FINALIZER));
    }
    namespace["spec"] = json!({"finalizers": finalizers});
    namespace["status"] = json!({"phase": "Active"});
    label(namespace);
}

/// Spec and status change through the subresources `finalize` and `status` only.
pub(super) fn default_update(new: &mut Value, old: &Value) {
    new["spec"] = old["spec"].clone();
    new["status"] = old["status"].clone();
    label(new);
}

/// Every namespace carries its name as a label.
pub(super) fn label(namespace: &mut Value) {
    let name = namespace["metadata"]["name"].clone();
    if let Some(labels) = namespace.get_mut("metadata").and_then(|metadata| fields(metadata, "labels"))
        && !name.is_null()
    {
        labels.insert(NAME_LABEL.to_owned(), name);
    }
}
