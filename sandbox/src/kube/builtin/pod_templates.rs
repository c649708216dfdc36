//! Templates of pods. No pod is ever made of one: they get the defaults that clients compare with, and
//! little of them is checked.

use serde_json::{Map, Value, json};

use super::metadata::{fields, set_default};
use super::names;
use crate::kube::field_error::FieldError;

/// The mode of files in volumes, `0644`.
const FILE_MODE: u64 = 420;

type Fields = Map<String, Value>;

pub(super) fn default(template: &mut Value) {
    fields(template, "metadata");
    let Some(spec) = fields(template, "spec") else { return };
    fill(
        spec,
        &json!({
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "securityContext": {}, "schedulerName": "default-scheduler",
        }),
    );
    // The same in two fields, of which one is older.
    let account = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned();
    if let Some(account) = account {
        fill(spec, &json!({"serviceAccountName": account, "serviceAccount": account}));
    }
    for key in ["initContainers", "containers"] {
        entries(spec.get_mut(key)).for_each(default_container);
    }
    entries(spec.get_mut("volumes")).for_each(default_volume);
}

/// Sets what is absent or empty.
fn fill(target: &mut Fields, defaults: &Value) {
    for (key, value) in defaults.as_object().into_iter().flatten() {
        if target.get(key).is_none_or(|found| found == "") {
            target.insert(key.clone(), value.clone());
        }
    }
}

fn entries(list: Option<&mut Value>) -> impl Iterator<Item = &mut Fields> {
    list.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn inner<'a>(target: &'a mut Fields, key: &str) -> Option<&'a mut Fields> {
    target.get_mut(key)?.as_object_mut()
}

fn default_container(container: &mut Fields) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
    fill(
        container,
        &json!({
            "resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "imagePullPolicy": policy,
        }),
    );
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = inner(container, probe) else { continue };
        fill(
            probe,
            &json!({"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}),
        );
        default_request(probe);
        if let Some(call) = inner(probe, "grpc") {
            fill(call, &json!({"service": ""}));
        }
    }
    for event in ["postStart", "preStop"] {
        if let Some(hook) = inner(container, "lifecycle").and_then(|lifecycle| inner(lifecycle, event)) {
            default_request(hook);
        }
    }
    for variable in entries(container.get_mut("env")) {
        if let Some(source) = inner(variable, "valueFrom") {
            default_field(source);
        }
    }
    for kind in ["limits", "requests"] {
        let amounts = inner(container, "resources").and_then(|resources| inner(resources, kind));
        for amount in amounts.into_iter().flat_map(Map::values_mut).filter(|amount| amount.is_number()) {
            *amount = amount.to_string().into();
        }
    }
}

fn default_request(probe: &mut Fields) {
    if let Some(request) = inner(probe, "httpGet") {
        fill(request, &json!({"path": "/", "scheme": "HTTP"}));
    }
}

fn default_field(source: &mut Fields) {
    if let Some(field) = inner(source, "fieldRef") {
        fill(field, &json!({"apiVersion": "v1"}));
    }
}

/// Whether an image may change under its name: it has no tag and no digest, or the tag `latest`.
fn is_latest(image: &str) -> bool {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => digest.is_none(),
    }
}

fn default_volume(volume: &mut Fields) {
    if volume.len() == 1 {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for files in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = inner(volume, files) {
            fill(source, &json!({"defaultMode": FILE_MODE}));
            entries(source.get_mut("items")).for_each(default_field);
        }
    }
    if let Some(path) = inner(volume, "hostPath") {
        path.entry("type").or_insert_with(|| json!(""));
    }
    let projected = inner(volume, "projected").and_then(|projected| projected.get_mut("sources"));
    for source in entries(projected) {
        if let Some(token) = source.get_mut("serviceAccountToken") {
            set_default(token, "expirationSeconds", 3600);
        }
        if let Some(source) = inner(source, "downwardAPI") {
            entries(source.get_mut("items")).for_each(default_field);
        }
    }
}

/// What is wrong with the template of something that keeps its pods running.
pub(super) fn validate(field: &str, template: &Value, errors: &mut Vec<FieldError>) {
    let spec = &template["spec"];
    let containers: &[Value] = spec["containers"].as_array().map_or(&[], Vec::as_slice);
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{field}.spec.containers"), ""));
    }
    for (index, container) in containers.iter().enumerate() {
        let field = format!("{field}.spec.containers[{index}]");
        let text = |key: &str| container[key].as_str().unwrap_or_default();
        match text("name") {
            "" => errors.push(FieldError::required(format!("{field}.name"), "")),
            name => FieldError::extend(errors, format!("{field}.name"), name, names::label(name)),
        }
        if text("image").is_empty() {
            errors.push(FieldError::required(format!("{field}.image"), ""));
        }
    }
    if spec["restartPolicy"] != "Always" {
        let field = format!("{field}.spec.restartPolicy");
        errors.push(FieldError::not_supported(field, &spec["restartPolicy"], &["Always"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_that_may_change_are_always_pulled() {
        let table = [
            ("x", true),
            ("x:latest", true),
            ("registry:5000/x", true),
            ("x:1", false),
            ("registry:5000/x:1", false),
            ("x@sha256:0", false),
        ];
        for (image, expected) in table {
            assert_eq!(is_latest(image), expected, "{image}");
        }
    }
}
