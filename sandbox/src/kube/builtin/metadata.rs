//! The metadata of an object of any kind: names, labels, annotations, owners, finalizers.

use serde_json::Value;

use crate::kube::field_error::FieldError;

/// What a name must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// A DNS subdomain, RFC 1123: most kinds, and every custom resource.
    Subdomain,
    /// A DNS label, RFC 1123: namespaces.
    Label,
    /// A DNS label, RFC 1035: services.
    OldLabel,
    /// Everything that can be a segment of a path: no `/`, no `%`.
    PathSegment,
}

/// What is wrong with the metadata of a new object.
pub fn validate_create(_object: &Value, _names: NameRule, _namespaced: bool) -> Vec<FieldError> {
    Vec::new()
}

/// What is wrong with the metadata of an object that replaces `old`.
pub fn validate_update(_new: &Value, _old: &Value) -> Vec<FieldError> {
    Vec::new()
}
