//! What pods are made of, in pods themselves and in templates: the defaults that clients compare with, and
//! the mistakes that people make. Fields that nothing here acts on are not checked.

use serde_json::{Map, Value, json};

use super::quantities;
use crate::field_error::FieldError;
use crate::metadata::names;
use crate::metadata::{fields, set_default};

/// The mode of files in volumes, `0644`.
const FILE_MODE: u64 = 420;

type Fields = Map<String, Value>;

pub(super) fn default(template: &mut Value) {
    fields(template, "metadata");
    if let Some(spec) = fields(template, "spec") {
        default_spec(spec);
    }
}

/// Fills in the defaults that pods and their templates share.
pub(super) fn default_spec(spec: &mut Fields) {
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
    let containers = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{field}.spec.containers"), ""));
    }
    for (index, container) in containers.iter().enumerate() {
        validate_names(&format!("{field}.spec.containers[{index}]"), container, false, errors);
    }
    if spec["restartPolicy"] != "Always" {
        let field = format!("{field}.spec.restartPolicy");
        errors.push(FieldError::not_supported(field, &spec["restartPolicy"], &["Always"]));
    }
}

/// What is wrong with the volumes and containers of a pod.
pub(super) fn validate_spec(field: &str, spec: &Value, errors: &mut Vec<FieldError>) {
    let list = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    let (volumes, containers) = (list(&spec["volumes"]), list(&spec["containers"]));
    for (index, volume) in volumes.iter().enumerate() {
        let field = format!("{field}.volumes[{index}].name");
        match volume["name"].as_str().unwrap_or_default() {
            "" => errors.push(FieldError::required(field, "")),
            name if volumes[..index].iter().any(|other| other["name"] == name) => {
                errors.push(FieldError::duplicate(field, &volume["name"]));
            }
            name => FieldError::extend(errors, field, name, names::label(name)),
        }
    }
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{field}.containers"), ""));
    }
    for (key, list) in [("containers", containers), ("initContainers", list(&spec["initContainers"]))] {
        for (index, container) in list.iter().enumerate() {
            let field = format!("{field}.{key}[{index}]");
            let known = list[..index].iter().any(|other| other["name"] == container["name"]);
            validate_container(&field, container, &volumes, known, errors);
        }
    }
}

fn validate_names(field: &str, container: &Value, known: bool, errors: &mut Vec<FieldError>) {
    let text = |key: &str| container[key].as_str().unwrap_or_default();
    match text("name") {
        "" => errors.push(FieldError::required(format!("{field}.name"), "")),
        _ if known => errors.push(FieldError::duplicate(format!("{field}.name"), &container["name"])),
        name => FieldError::extend(errors, format!("{field}.name"), name, names::label(name)),
    }
    if text("image").is_empty() {
        errors.push(FieldError::required(format!("{field}.image"), ""));
    }
}

fn validate_container(
    field: &str,
    container: &Value,
    volumes: &[Value],
    known: bool,
    errors: &mut Vec<FieldError>,
) {
    validate_names(field, container, known, errors);
    let list = |key: &str| container[key].as_array().map_or(&[][..], Vec::as_slice);
    for (index, port) in list("ports").iter().enumerate() {
        let field = format!("{field}.ports[{index}].containerPort");
        if !port["containerPort"].as_i64().is_some_and(|number| (1..=65535).contains(&number)) {
            let detail = "must be between 1 and 65535, inclusive";
            errors.push(FieldError::invalid(field, &port["containerPort"], detail));
        }
    }
    for (index, mount) in list("volumeMounts").iter().enumerate() {
        let field = format!("{field}.volumeMounts[{index}]");
        if !volumes.iter().any(|volume| volume["name"] == mount["name"]) {
            errors.push(FieldError::not_found(format!("{field}.name"), &mount["name"]));
        }
        if mount["mountPath"].as_str().is_none_or(str::is_empty) {
            errors.push(FieldError::required(format!("{field}.mountPath"), ""));
        }
    }
    let resources = &container["resources"];
    for (name, request) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][name];
        if quantities::nano(limit).is_some() && quantities::nano(request) > quantities::nano(limit) {
            let shown = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
            let detail = format!("must be less than or equal to {name} limit of {shown}");
            errors.push(FieldError::invalid(format!("{field}.resources.requests"), request, &detail));
        }
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
