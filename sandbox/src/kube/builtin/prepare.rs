//! Defaults and validation of the built-in kinds, by kind.

use serde_json::{Value, json};

use super::metadata::{self, NameRule};
use super::{
    configuration, custom_resource, events, leases, namespaces, network_policies, resources, services,
};
use crate::kube::field_error::FieldError;
use crate::kube::{openapi, schema};

/// Fills in the defaults of a new object and tells what is wrong with it, its metadata included.
///
/// The object is one that [`decode_error`](crate::kube::openapi::decode_error) finds nothing wrong with. It
/// carries its `apiVersion` and `kind`, and a namespaced object its namespace. Unknown fields
/// and nulls are dropped, and so is what clients do not decide, such as most of a status.
pub fn prepare_create(object: &mut Value) -> Vec<FieldError> {
    let kind = Kind::of(object);
    kind.clean(object);
    match kind.name.as_str() {
        "ConfigMap" => configuration::drop_empty(object),
        "CustomResourceDefinition" => custom_resource::default_create(object),
        "Event" => events::default(object),
        "Lease" => leases::default(object),
        "Namespace" => namespaces::default_create(object),
        "NetworkPolicy" => network_policies::default(object),
        "Secret" => configuration::default_secret(object),
        "Service" => services::default_create(object),
        _ => {}
    }
    if kind.has_generation() {
        object["metadata"]["generation"] = json!(1);
    }
    let mut errors = metadata::validate_create(object, kind.name_rule(), kind.namespaced());
    errors.extend(kind.validate(object, None));
    errors
}

/// Fills in the defaults of `new`, takes over from `old` what an update cannot change, and tells what is
/// wrong with the change, in the metadata too. Both objects are of the same version.
pub fn prepare_update(new: &mut Value, old: &Value) -> Vec<FieldError> {
    let kind = Kind::of(new);
    kind.clean(new);
    metadata::carry_over(new, old);
    match kind.name.as_str() {
        "ConfigMap" => configuration::drop_empty(new),
        "CustomResourceDefinition" => custom_resource::default_update(new, old),
        "Event" => events::default(new),
        "Lease" => leases::default(new),
        "Namespace" => namespaces::default_update(new, old),
        "NetworkPolicy" => network_policies::default(new),
        "Secret" => configuration::default_secret(new),
        "Service" => services::default_update(new, old),
        _ => {}
    }
    if kind.has_generation() {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        new["metadata"]["generation"] = json!(generation + i64::from(new["spec"] != old["spec"]));
    }
    let mut errors = metadata::validate_update(new, old);
    errors.extend(kind.validate(new, Some(old)));
    errors
}

struct Kind {
    group: String,
    version: String,
    name: String,
}

impl Kind {
    fn of(object: &Value) -> Self {
        let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        let api_version = text("apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        Self { group: group.to_owned(), version: version.to_owned(), name: text("kind") }
    }

    fn clean(&self, object: &mut Value) {
        if let Some(schema) = openapi::builtin_schema(&self.group, &self.version, &self.name) {
            schema::prune(schema, object);
            schema::default(schema, object);
        }
    }

    fn resource(&self) -> Option<&'static super::BuiltinResource> {
        resources().iter().find(|resource| resource.group == self.group && resource.kind == self.name)
    }

    fn namespaced(&self) -> bool {
        self.resource().is_none_or(|resource| resource.namespaced)
    }

    fn has_generation(&self) -> bool {
        self.resource().is_some_and(|resource| resource.has_generation)
    }

    fn name_rule(&self) -> NameRule {
        match self.name.as_str() {
            "Event" => NameRule::PathSegment,
            "Namespace" | "Service" => NameRule::Label,
            _ => NameRule::Subdomain,
        }
    }

    fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        match self.name.as_str() {
            "ConfigMap" => configuration::validate_config_map(new, old),
            "CustomResourceDefinition" => custom_resource::validate(new, old),
            "Event" => events::validate(new, old),
            "Lease" => leases::validate(new),
            "Secret" => configuration::validate_secret(new, old),
            "Service" => services::validate(new, old),
            _ => Vec::new(),
        }
    }
}
