//! Pods: defaults, what of them may change, and what their status must not do. Their life is left to a
//! node; what needs other objects (priorities) is left to the server.

use serde_json::{Map, Value, json};

use super::{pod_templates, quantities};
use crate::field_error::FieldError;
use crate::metadata::{fields, set_default};

/// How long pods tolerate a node that is not ready or not reachable, in seconds.
const TOLERATION_SECONDS: u64 = 300;

const IMMUTABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(super) fn default_create(pod: &mut Value) {
    default(pod);
    if let Some(spec) = fields(pod, "spec") {
        let account = spec.get("serviceAccountName").cloned().unwrap_or_else(|| json!("default"));
        spec.insert("serviceAccountName".to_owned(), account.clone());
        spec.insert("serviceAccount".to_owned(), account);
        spec.entry("priority").or_insert_with(|| json!(0));
        spec.entry("preemptionPolicy").or_insert_with(|| json!("PreemptLowerPriority"));
        add_tolerations(spec);
    }
    pod["status"] = json!({"phase": "Pending", "qosClass": quality(&pod["spec"])});
}

pub(super) fn default(pod: &mut Value) {
    let Some(spec) = fields(pod, "spec") else { return };
    pod_templates::default_spec(spec);
    spec.entry("enableServiceLinks").or_insert_with(|| json!(true));
    for container in containers_mut(spec) {
        let limits = container.pointer("/resources/limits").and_then(Value::as_object).cloned();
        for (name, amount) in limits.into_iter().flatten() {
            let resources = container.get_mut("resources").and_then(|found| fields(found, "requests"));
            if let Some(requests) = resources {
                requests.entry(name).or_insert(amount);
            }
        }
    }
}

/// The address of a pod is also the first of its list of addresses.
pub(super) fn default_status(pod: &mut Value) {
    let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) else { return };
    for (one, all) in [("podIP", "podIPs"), ("hostIP", "hostIPs")] {
        match status.get(one).and_then(Value::as_str).filter(|address| !address.is_empty()) {
            Some(address) if status.get(all).and_then(|all| all[0]["ip"].as_str()) != Some(address) => {
                let list = json!([{"ip": address}]);
                status.insert(all.to_owned(), list);
            }
            _ => {}
        }
    }
}

fn containers_mut(spec: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    spec.iter_mut()
        .filter(|(key, _)| *key == "containers" || *key == "initContainers")
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
}

fn add_tolerations(spec: &mut Map<String, Value>) {
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerates = |found: &Value| {
            let keys = found["key"].is_null() || found["key"] == key;
            keys && (found["effect"].is_null() || found["effect"] == "NoExecute")
        };
        if let Some(list) = tolerations.as_array_mut().filter(|list| !list.iter().any(tolerates)) {
            list.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS,
            }));
        }
    }
}

/// The class of service that follows from requests and limits.
fn quality(spec: &Value) -> &'static str {
    let all = || list(&spec["initContainers"]).iter().chain(list(&spec["containers"]));
    let set = |container: &Value, kind: &str, name: &str| {
        quantities::nano(&container["resources"][kind][name]).filter(|amount| *amount != 0)
    };
    let any = |container: &Value| {
        ["requests", "limits"]
            .iter()
            .any(|kind| ["cpu", "memory"].iter().any(|name| set(container, kind, name).is_some()))
    };
    let guaranteed = |container: &Value| {
        ["cpu", "memory"].iter().all(|name| {
            set(container, "limits", name).is_some()
                && set(container, "limits", name) == set(container, "requests", name)
        })
    };
    match (all().any(any), all().all(guaranteed)) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    pod_templates::validate_spec("spec", &new["spec"], &mut errors);
    let policies = ["Always", "Never", "OnFailure"];
    let policy = &new["spec"]["restartPolicy"];
    if !policy.as_str().is_some_and(|policy| policies.contains(&policy)) {
        errors.push(FieldError::not_supported("spec.restartPolicy", policy, &policies));
    }
    if let Some(old) = old {
        validate_change(&new["spec"], &old["spec"], &mut errors);
    }
    errors
}

fn validate_change(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    for key in ["containers", "initContainers"] {
        if list(&new[key]).len() != list(&old[key]).len() {
            let detail = "pod updates may not add or remove containers";
            return errors.push(FieldError::forbidden(format!("spec.{key}"), detail));
        }
    }
    let same = |one: &Value, other: &Value| {
        let bare = |toleration: &Value| {
            let mut toleration = toleration.clone();
            toleration.as_object_mut().map(|fields| fields.remove("tolerationSeconds"));
            toleration
        };
        bare(one) == bare(other)
    };
    let kept = |old: &Value| list(&new["tolerations"]).iter().any(|new| same(new, old));
    if !list(&old["tolerations"]).iter().all(kept) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden("spec.tolerations", detail));
    }
    let mut munged = new.clone();
    for key in ["activeDeadlineSeconds", "tolerations"] {
        match old.get(key) {
            Some(value) => munged[key] = value.clone(),
            None => drop(munged.as_object_mut().map(|fields| fields.remove(key))),
        }
    }
    for key in ["containers", "initContainers"] {
        let before = list(&old[key]).iter();
        let after = munged.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten();
        for (after, before) in after.zip(before) {
            after["image"] = before["image"].clone();
        }
    }
    if munged != *old {
        errors.push(FieldError::forbidden("spec", IMMUTABLE));
    }
}

/// What is wrong with a change of the status: containers that ended for good stay so.
pub(super) fn validate_status(new: &Value, old: &Value) -> Vec<FieldError> {
    let policy = old["spec"]["restartPolicy"].as_str().unwrap_or_default();
    let (before, after) = (&old["status"]["containerStatuses"], &new["status"]["containerStatuses"]);
    let mut errors = Vec::new();
    for before in list(before) {
        let ended = &before["state"]["terminated"];
        let final_state =
            !ended.is_null() && (policy == "Never" || (policy == "OnFailure" && ended["exitCode"] == 0));
        let found = list(after).iter().enumerate().find(|(_, found)| found["name"] == before["name"]);
        if let Some((index, after)) = found
            && final_state
            && after["state"]["terminated"].is_null()
        {
            let field = format!("status.containerStatuses[{index}].state");
            errors.push(FieldError::forbidden(field, "may not be transitioned to non-terminated state"));
        }
    }
    errors
}

/// Takes from `new` only what the subresource `resize` changes: the resources of containers.
pub(crate) fn confine_resize(live: &Value, new: &Value) -> Value {
    let mut kept = live.clone();
    for container in kept.pointer_mut("/spec/containers").and_then(Value::as_array_mut).into_iter().flatten()
    {
        let wanted = list(&new["spec"]["containers"]).iter().find(|new| new["name"] == container["name"]);
        if let Some(wanted) = wanted {
            container["resources"] = wanted["resources"].clone();
        }
    }
    kept
}

/// What is wrong with a change through `resize`.
pub(super) fn validate_resize(new: &Value, old: &Value) -> Vec<FieldError> {
    let others = |container: &Value| {
        let mut resources = container["resources"].clone();
        for kind in ["requests", "limits"] {
            for name in ["cpu", "memory"] {
                resources[kind].as_object_mut().map(|amounts| amounts.remove(name));
            }
            set_default(&mut resources, kind, json!({}));
        }
        resources
    };
    let (new, old) = (list(&new["spec"]["containers"]), list(&old["spec"]["containers"]));
    if new.iter().zip(old).any(|(new, old)| others(new) != others(old)) {
        return vec![FieldError::forbidden("spec", "only cpu and memory resources are mutable")];
    }
    Vec::new()
}
