//! Defaults and validation of the built-in kinds, by kind.

use serde_json::{Value, json};

use super::{
    access, admission, configuration, custom_resource, deployments, disruption_budgets, events, leases,
    namespaces, network_policies, nodes, pods, resources, services, volumes,
};
use crate::field_error::FieldError;
use crate::metadata::{self, NameRule};
use crate::{definitions, schema};

/// Fills in the defaults of a new object and returns its errors, including those of its metadata.
///
/// The object is one that [`decode_error`](crate::definitions::decode_error) accepts. It carries its
/// `apiVersion` and `kind`, and a namespaced object its namespace. Unknown fields and nulls are dropped, and so are
/// parts that clients do not decide, such as most of a status.
pub fn prepare_create(object: &mut Value) -> Vec<FieldError> {
    let kind = Kind::of(object);
    kind.clean(object);
    match kind.name.as_str() {
        "CustomResourceDefinition" => custom_resource::default_create(object),
        "Deployment" => deployments::default_create(object),
        "Namespace" => namespaces::default_create(object),
        "PersistentVolume" => volumes::default_create_volume(object),
        "PersistentVolumeClaim" => volumes::default_create_claim(object),
        "Pod" => pods::default_create(object),
        "PodDisruptionBudget" => disruption_budgets::default_create(object),
        "Service" => services::default_create(object),
        _ => kind.default(object),
    }
    if kind.has_generation() {
        object["metadata"]["generation"] = json!(1);
    }
    let mut errors = metadata::validate_create(object, kind.name_rule(), kind.namespaced());
    errors.extend(kind.validate(object, None));
    errors
}

/// Fills in the defaults of `new`, copies from `old` the parts that an update cannot change, and returns the errors
/// of the change, including those of the metadata. Both objects are of the same version.
pub fn prepare_update(new: &mut Value, old: &Value) -> Vec<FieldError> {
    let kind = Kind::of(new);
    kind.clean(new);
    metadata::carry_over(new, old);
    match kind.name.as_str() {
        "CustomResourceDefinition" => custom_resource::default_update(new, old),
        "Namespace" => namespaces::default_update(new, old),
        "Service" => services::default_update(new, old),
        _ => kind.default(new),
    }
    if kind.has_generation() {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        let changed =
            ["spec", "webhooks", "endpoints", "ports"].iter().any(|key| new.get(key) != old.get(key));
        new["metadata"]["generation"] = json!(generation + i64::from(changed));
    }
    let mut errors = metadata::validate_update(new, old);
    errors.extend(kind.validate(new, Some(old)));
    errors
}

/// The same for a change through a subresource such as `status`, where only the metadata is checked.
pub fn prepare_part(new: &mut Value, old: &Value) -> Vec<FieldError> {
    if new["apiVersion"] == "v1" && new["kind"] == "Namespace" {
        namespaces::label(new);
    }
    metadata::normalize(new);
    let mut errors = metadata::validate_update(new, old);
    if new["apiVersion"] == "v1" && new["kind"] == "Pod" {
        pods::default_status(new);
        errors.extend(pods::validate_status(new, old));
    }
    errors
}

/// The same for a change of a pod through `resize`.
pub(crate) fn prepare_resize(new: &mut Value, old: &Value) -> Vec<FieldError> {
    let errors = pods::validate_resize(new, old);
    if new["spec"] != old["spec"] {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        new["metadata"]["generation"] = json!(generation + 1);
    }
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
        if let Some(schema) = definitions::builtin_schema(&self.group, &self.version, &self.name) {
            schema::prune(schema, object);
            schema::default(schema, object);
        }
    }

    /// The defaults of kinds that have the same for new and for changed objects.
    fn default(&self, object: &mut Value) {
        match self.name.as_str() {
            "ClusterRole" | "Role" => access::default_role(object),
            "ClusterRoleBinding" | "RoleBinding" => access::default_binding(object),
            "ConfigMap" => configuration::drop_empty(object),
            "EndpointSlice" => nodes::default_slice(object),
            "Node" => nodes::default_node(object),
            "PersistentVolume" => volumes::default_volume(object),
            "PersistentVolumeClaim" => volumes::default_claim(object),
            "Pod" => pods::default(object),
            "PriorityClass" => nodes::default_priority(object),
            "StorageClass" => volumes::default_class(object),
            "Deployment" => deployments::default(object),
            "Event" => events::default(object),
            "Lease" => leases::default(object),
            "MutatingAdmissionPolicy" | "ValidatingAdmissionPolicy" => admission::default_policy(object),
            "MutatingAdmissionPolicyBinding" | "ValidatingAdmissionPolicyBinding" => {
                admission::default_policy_binding(object);
            }
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
                admission::default_webhooks(object);
            }
            "NetworkPolicy" => network_policies::default(object),
            "PodDisruptionBudget" => disruption_budgets::default(object),
            "Secret" => configuration::default_secret(object),
            _ => {}
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
            "ClusterRole" | "ClusterRoleBinding" | "Event" | "Role" | "RoleBinding" => NameRule::PathSegment,
            "Namespace" | "Service" => NameRule::Label,
            _ => NameRule::Subdomain,
        }
    }

    fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        match self.name.as_str() {
            "ClusterRole" | "Role" => access::validate_role(new),
            "ClusterRoleBinding" | "RoleBinding" => access::validate_binding(new, old),
            "ConfigMap" => configuration::validate_config_map(new, old),
            "CustomResourceDefinition" => custom_resource::validate(new, old),
            "Deployment" => deployments::validate(new, old),
            "Event" => events::validate(new, old),
            "Lease" => leases::validate(new),
            "MutatingAdmissionPolicy" | "ValidatingAdmissionPolicy" => admission::validate_policy(new),
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
                admission::validate_webhooks(new)
            }
            "EndpointSlice" => nodes::validate_slice(new, old),
            "Node" => nodes::validate_node(new),
            "PersistentVolume" => volumes::validate_volume(new),
            "PersistentVolumeClaim" => volumes::validate_claim(new, old),
            "Pod" => pods::validate(new, old),
            "PodDisruptionBudget" => disruption_budgets::validate(new),
            "PriorityClass" => nodes::validate_priority(new, old),
            "StorageClass" => volumes::validate_class(new, old),
            "Secret" => configuration::validate_secret(new, old),
            "Service" => services::validate(new, old),
            _ => Vec::new(),
        }
    }
}
