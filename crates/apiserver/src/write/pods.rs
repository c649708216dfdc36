//! Writes that pods alone have: binding to a node, eviction within the disruption budgets, and tokens of
//! the accounts they run as. Guarantees that no eviction takes more than its budget allows.

use std::sync::Arc;

use chrono::{Duration, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::api::Api;
use crate::builtin;
use crate::failure::{Answer, Failure, GroupResource};
use crate::field_error::FieldError;
use crate::protocol::request::Target;
use crate::storage::object::{Metadata, Object, now};
use crate::write::delete::{DeleteOptions, Deleted};

const VIOLATED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// What an eviction does to the budget.
enum Verdict {
    /// Takes one disruption from it.
    Spend,
    /// Nothing: the pod does not count.
    Free,
}

impl Api {
    /// Binds a pod to a node; nothing checks that there is one.
    pub(crate) fn bind(&self, target: &Target, binding: &Value) -> Answer<Value> {
        let id = &target.resource.id;
        let node = binding["target"]["name"].as_str().unwrap_or_default();
        if node.is_empty() {
            let error = FieldError::required("target.name", "");
            return Err(Failure::invalid("", "Binding", target.name(), &[error]));
        }
        loop {
            let current = self.find(target)?;
            let pod = &current.value;
            let refused = |why: String| {
                let id = GroupResource::new(&id.group, &format!("{}/binding", id.plural));
                Err(Failure::conflict(&id, target.name(), &why))
            };
            if pod.deleting() {
                return refused(format!(
                    "pod {} is being deleted, cannot be assigned to a host",
                    target.name()
                ));
            }
            if let Some(assigned) = pod["spec"]["nodeName"].as_str().filter(|name| !name.is_empty()) {
                return refused(format!("pod {} is already assigned to node \"{assigned}\"", target.name()));
            }
            let mut new = pod.clone();
            new.section("spec").insert("nodeName".to_owned(), node.into());
            set_condition(&mut new, json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null}));
            for (key, value) in binding["metadata"]["annotations"].as_object().into_iter().flatten() {
                new["metadata"]["annotations"][key] = value.clone();
            }
            if self.replace(target, &current, new) {
                return Ok(success());
            }
        }
    }

    /// Evicts a pod if its budget allows.
    pub(crate) fn evict(&self, target: &Target, options: &DeleteOptions) -> Answer<Value> {
        loop {
            let current = self.find(target)?;
            let pod = &current.value;
            if is_free(pod) {
                self.delete(target, options)?;
                return Ok(success());
            }
            let mut budgets = self.budgets(pod);
            if budgets.len() > 1 {
                let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(Failure::unclassified(why).with_reason("InternalError"));
            }
            if let Some(budget) = budgets.pop()
                && let Verdict::Spend = judge(pod, &budget.value)?
                && !(options.is_dry_run() || self.spend(&budget, target.name()))
            {
                continue;
            }
            if options.is_dry_run() {
                return Ok(success());
            }
            let mut marked = pod.clone();
            set_condition(
                &mut marked,
                json!({
                    "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                    "message": "Eviction API: evicting", "lastProbeTime": null,
                }),
            );
            self.replace(target, &current, marked);
            return match self.delete(target, options)? {
                Deleted::Gone(_) | Deleted::Pending(_) => Ok(success()),
            };
        }
    }

    fn budgets(&self, pod: &Value) -> Vec<Arc<Object>> {
        let id = GroupResource::new("policy", "poddisruptionbudgets");
        let (all, _) = self.store.list(&id, Some(pod.meta("namespace")));
        let labels = &pod["metadata"]["labels"];
        let selects =
            |budget: &Arc<Object>| builtin::label_selector_matches(&budget.value["spec"]["selector"], labels);
        all.into_iter().filter(selects).collect()
    }

    /// Takes one disruption from the budget; false if it changed meanwhile.
    fn spend(&self, budget: &Arc<Object>, pod: &str) -> bool {
        let id = GroupResource::new("policy", "poddisruptionbudgets");
        let Some(resource) = self.registry.catalog().get(&id).cloned() else { return false };
        let target = Target {
            namespace: Some(budget.value.meta("namespace").to_owned()),
            name: Some(budget.value.meta("name").to_owned()),
            resource,
            version: 0,
            subresource: None,
        };
        let mut new = budget.value.clone();
        let status = new.section("status");
        let left = status.get("disruptionsAllowed").and_then(Value::as_i64).unwrap_or_default() - 1;
        status.insert("disruptionsAllowed".to_owned(), left.into());
        let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
        disrupted[pod] = now().into();
        self.replace(&target, budget, new)
    }

    /// A write of the server itself; false if the object changed meanwhile.
    fn replace(&self, target: &Target, current: &Arc<Object>, new: Value) -> bool {
        let storage = &target.resource.storage;
        self.store.put(storage, &target.key(), Some(current), new, current.shape).is_ok()
    }

    /// A token for an account. Nothing reads it: every request may do everything.
    pub(crate) fn request_token(&self, target: &Target, request: &Value) -> Answer<Value> {
        let account = self.find(target)?;
        let bound = &request["spec"]["boundObjectRef"];
        let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600).clamp(600, 1 << 32);
        let expiry = Utc::now() + Duration::seconds(seconds);
        let mut spec = request["spec"].clone();
        spec["expirationSeconds"] = seconds.into();
        spec["audiences"] =
            spec.get("audiences").cloned().unwrap_or_else(|| json!(["https://kubernetes.default.svc"]));
        let namespace = account.value.meta("namespace");
        let token = format!("sandbox:{namespace}:{}:{}", target.name(), uuid::Uuid::new_v4());
        tracing::debug!(account = target.name(), bound = %bound["name"], "token issued");
        Ok(json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": target.name(), "namespace": namespace, "creationTimestamp": now()},
            "spec": spec,
            "status": {"token": token, "expirationTimestamp": expiry.to_rfc3339_opts(SecondsFormat::Secs, true)},
        }))
    }
}

/// Whether no budget counts the pod any more, or yet.
fn is_free(pod: &Value) -> bool {
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    pod.deleting() || ["Pending", "Succeeded", "Failed"].contains(&phase)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn judge(pod: &Value, budget: &Value) -> Answer<Verdict> {
    let (status, name) = (&budget["status"], budget.meta("name"));
    let number = |key: &str| status[key].as_i64().unwrap_or_default();
    if !is_ready(pod) {
        let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        let healthy = number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0;
        if always || healthy {
            return Ok(Verdict::Free);
        }
    }
    if number("observedGeneration") < budget["metadata"]["generation"].as_i64().unwrap_or_default() {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(Failure::too_many_requests(VIOLATED, "DisruptionBudget", &why, 10));
    }
    if number("disruptionsAllowed") <= 0 {
        let (needed, found) = (number("desiredHealthy"), number("currentHealthy"));
        let why =
            format!("The disruption budget {name} needs {needed} healthy pods and has {found} currently");
        return Err(Failure::too_many_requests(VIOLATED, "DisruptionBudget", &why, 0));
    }
    Ok(Verdict::Spend)
}

/// Sets a condition of a pod.
fn set_condition(pod: &mut Value, mut condition: Value) {
    condition["lastTransitionTime"] = now().into();
    let conditions = pod.section("status").entry("conditions").or_insert_with(|| json!([]));
    if let Some(list) = conditions.as_array_mut() {
        list.retain(|found| found["type"] != condition["type"]);
        list.push(condition);
    }
}

fn success() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}
