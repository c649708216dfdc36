//! Reports in the status of an object that cannot be decoded that it is malformed, once for each generation. A failed
//! write is retried with growing pauses until it succeeds or the object changes. The rest of the status stays: it may
//! be the only record of data such as the identity of a VPC.

use crate::cluster::{ClusterError, bounded, managers};
use futures::StreamExt as _;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::error_boundary::InvalidObject,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio_util::time::DelayQueue;
use valkeeper_api::{
    Custom,
    names::{condition, reason},
};
use valkeeper_engine::{backoff::Bounds, conditions::short, failure::Class};

/// Conditions that describe the state of an object, all of which the mark replaces.
const REPLACED: [&str; 4] = [condition::READY, condition::RECONCILING, condition::STALLED, condition::SYNCED];

/// The object counts as deleted after this many 404 answers in a row.
const MAX_NOT_FOUND: u32 = 5;

/// An object that waits for its mark.
struct Waiting {
    object: InvalidObject,
    attempts: u32,
}

/// Marks all that come from `objects`, until they end.
pub(in crate::controller) async fn keep_marking<K: Custom>(
    client: Client,
    retry: Bounds,
    mut objects: mpsc::UnboundedReceiver<InvalidObject>,
) {
    let mut due = DelayQueue::new();
    let mut waiting: HashMap<String, Waiting> = HashMap::new();
    // The mark itself changes the object, and its event arrives here again.
    let mut marked: HashMap<String, Option<i64>> = HashMap::new();
    loop {
        tokio::select! {
            object = objects.recv() => {
                let Some(object) = object else { return };
                let uid = object.metadata.uid.clone().unwrap_or_default();
                if marked.get(&uid) != Some(&object.metadata.generation) {
                    let known = waiting.insert(uid.clone(), Waiting { object, attempts: 0 });
                    if known.is_none() {
                        due.insert(uid, std::time::Duration::ZERO);
                    }
                }
            }
            Some(uid) = due.next() => {
                let uid = uid.into_inner();
                let Some(mut mark) = waiting.remove(&uid) else { continue };
                match try_to_mark::<K>(&client, &mark.object).await {
                    Ok(()) => {
                        marked.insert(uid, mark.object.metadata.generation);
                    }
                    // The object is deleted, so there is nothing to mark.
                    Err(error) if error.class() == Class::NotFound && mark.attempts >= MAX_NOT_FOUND => {}
                    Err(error) => {
                        mark.attempts += 1;
                        let retry_in = retry.delay(error.class(), mark.attempts, rand::random());
                        tracing::warn!(%error, ?retry_in, "cannot mark malformed object");
                        due.insert(uid.clone(), retry_in);
                        waiting.insert(uid, mark);
                    }
                }
            }
        }
    }
}

async fn try_to_mark<K: Custom>(client: &Client, object: &InvalidObject) -> Result<(), ClusterError> {
    let meta = &object.metadata;
    let (Some(name), Some(namespace)) = (&meta.name, &meta.namespace) else { return Ok(()) };
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let doing = || format!("mark {} {name}", K::NAME);
    let stored = bounded(doing, api.get(name)).await?;
    if stored.metadata.uid != meta.uid || stored.metadata.generation != meta.generation {
        // The watch reports the current object.
        return Ok(());
    }
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::NAME,
        "metadata": {"name": name, "uid": meta.uid},
        "status": marked(stored.data.get("status").cloned(), object),
    });
    let parameters = PatchParams::apply(managers::STATUS).force();
    bounded(doing, api.patch_status(name, &parameters, &Patch::Apply(body))).await.map(drop)
}

fn marked(status: Option<Value>, object: &InvalidObject) -> Value {
    let mut status = status.filter(Value::is_object).unwrap_or_else(|| json!({}));
    let generation = object.metadata.generation;
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let condition = |type_: &str, status: &str| {
        json!({
            "type": type_,
            "status": status,
            "reason": reason::MALFORMED,
            "message": short(format!(
                "Cannot read the resource: {}. Correct it with kubectl edit.",
                without_value(&object.error)
            )),
            "observedGeneration": generation,
            "lastTransitionTime": now,
        })
    };
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.retain(|one| one["type"].as_str().is_some_and(|type_| !REPLACED.contains(&type_)));
    conditions.insert(0, condition(condition::READY, "False"));
    conditions.push(condition(condition::STALLED, "True"));
    conditions.push(condition(condition::SYNCED, "False"));
    status["conditions"] = conditions.into();
    status["observedGeneration"] = generation.into();
    status
}

/// The message of the decoder, without the offending value: users paste tokens where references belong.
fn without_value(error: &str) -> String {
    let Some((before, rest)) = ["invalid type: ", "invalid value: "].iter().find_map(|start| {
        let at = error.find(start)? + start.len();
        Some(error.split_at(at))
    }) else {
        return error.to_owned();
    };
    let (value, expected) = rest.rfind(", expected").map_or((rest, ""), |at| rest.split_at(at));
    let kind = value.split(['"', '`']).next().unwrap_or_default().trim_end();
    format!("{before}{kind}{expected}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use valkeeper_api::Valkey;

    #[test]
    fn a_token_in_the_wrong_place_is_not_repeated() {
        for spec in [
            json!({"project": "p", "plan": "x", "authSecretRef": "hunter2, expected \"it\""}),
            json!({"project": "p", "plan": "x", "userConfig": {"migration": {"host": "h", "port": 1, "password": 4711}}}),
            json!({"project": "p", "plan": {"hunter2": 1}}),
        ] {
            let object =
                json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": {}, "spec": spec});
            let error = serde_json::from_value::<Valkey>(object).unwrap_err().to_string();
            let text = without_value(&error);
            assert!(text.contains("invalid type") && text.contains(", expected"), "{text}");
            assert!(!text.contains("hunter2") && !text.contains("4711"), "{text}");
        }
        assert_eq!(without_value("missing field `plan`"), "missing field `plan`");
    }
}
