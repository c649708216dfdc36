//! Storage: claims, volumes and their classes. Binding them is left to a controller; whether a class allows
//! a claim to grow is left to the server.

use serde_json::{Value, json};

use super::quantities;
use crate::field_error::FieldError;
use crate::metadata::{fields, set_default};

const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";
const IMMUTABLE_CLAIM: &str = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";

pub(super) fn default_create_claim(claim: &mut Value) {
    default_claim(claim);
    protect(claim, CLAIM_FINALIZER);
    claim["status"] = json!({"phase": "Pending"});
}

pub(super) fn default_claim(claim: &mut Value) {
    if let Some(spec) = fields(claim, "spec") {
        spec.entry("volumeMode").or_insert_with(|| json!("Filesystem"));
    }
}

pub(super) fn default_create_volume(volume: &mut Value) {
    default_volume(volume);
    protect(volume, VOLUME_FINALIZER);
    volume["status"] = json!({"phase": "Pending"});
}

pub(super) fn default_volume(volume: &mut Value) {
    let Some(spec) = fields(volume, "spec") else { return };
    spec.entry("volumeMode").or_insert_with(|| json!("Filesystem"));
    spec.entry("persistentVolumeReclaimPolicy").or_insert_with(|| json!("Retain"));
    if let Some(path) = spec.get_mut("hostPath") {
        set_default(path, "type", "");
    }
}

pub(super) fn default_class(class: &mut Value) {
    set_default(class, "reclaimPolicy", "Delete");
    set_default(class, "volumeBindingMode", "Immediate");
}

/// What is in use is not removed.
fn protect(object: &mut Value, finalizer: &str) {
    let Some(metadata) = fields(object, "metadata") else { return };
    let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut().filter(|list| !list.iter().any(|found| found == finalizer))
    {
        list.push(json!(finalizer));
    }
}

pub(super) fn validate_claim(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let (spec, mut errors) = (&new["spec"], Vec::new());
    validate_access_modes(&spec["accessModes"], &mut errors);
    let requested = &spec["resources"]["requests"]["storage"];
    if requested.is_null() {
        errors.push(FieldError::required("spec.resources[storage]", ""));
    } else if quantities::nano(requested).is_some_and(|amount| amount <= 0) {
        let detail = "must be greater than zero";
        errors.push(FieldError::invalid("spec.resources[storage]", requested, detail));
    }
    let Some(old) = old else { return errors };
    let mut munged = spec.clone();
    if old["status"]["phase"] == "Bound"
        && let Some(before) = old["spec"].get("resources")
    {
        munged["resources"] = before.clone();
    }
    // The controller that binds the claim sets the volume name.
    if old["spec"]["volumeName"].is_null() {
        munged.as_object_mut().map(|fields| fields.remove("volumeName"));
    }
    if munged != old["spec"] {
        errors.push(FieldError::forbidden("spec", IMMUTABLE_CLAIM));
    }
    let capacity = quantities::nano(&old["status"]["capacity"]["storage"]);
    if capacity.is_some() && quantities::nano(requested) < capacity {
        let detail = "field can not be less than status.capacity";
        errors.push(FieldError::forbidden("spec.resources.requests.storage", detail));
    }
    errors
}

fn validate_access_modes(modes: &Value, errors: &mut Vec<FieldError>) {
    const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    let modes = modes.as_array().map_or(&[][..], Vec::as_slice);
    if modes.is_empty() {
        errors.push(FieldError::required("spec.accessModes", "at least 1 access mode is required"));
    }
    for mode in modes.iter().filter(|mode| !mode.as_str().is_some_and(|mode| MODES.contains(&mode))) {
        errors.push(FieldError::not_supported("spec.accessModes", mode, &MODES));
    }
}

pub(super) fn validate_volume(new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    validate_access_modes(&new["spec"]["accessModes"], &mut errors);
    if new["spec"]["capacity"].as_object().is_none_or(serde_json::Map::is_empty) {
        errors.push(FieldError::required("spec.capacity", ""));
    }
    errors
}

pub(super) fn validate_class(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if new["provisioner"].as_str().is_none_or(str::is_empty) {
        errors.push(FieldError::required("provisioner", ""));
    }
    let modes = ["Immediate", "WaitForFirstConsumer"];
    if !new["volumeBindingMode"].as_str().is_some_and(|mode| modes.contains(&mode)) {
        errors.push(FieldError::not_supported("volumeBindingMode", &new["volumeBindingMode"], &modes));
    }
    let Some(old) = old else { return errors };
    let details = [
        ("parameters", "updates to parameters are forbidden."),
        ("provisioner", "updates to provisioner are forbidden."),
        ("reclaimPolicy", "updates to reclaimPolicy are forbidden."),
    ];
    for (field, detail) in details.into_iter().filter(|(field, _)| new[field] != old[field]) {
        errors.push(FieldError::forbidden(field, detail));
    }
    if new["volumeBindingMode"] != old["volumeBindingMode"] {
        errors.push(FieldError::invalid(
            "volumeBindingMode",
            &new["volumeBindingMode"],
            "field is immutable",
        ));
    }
    errors
}
