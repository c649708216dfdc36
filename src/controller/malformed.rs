//! Tells an object that cannot be decoded that it is malformed. The rest of its status stays: it may hold
//! what only this program knows, such as the identity of a VPC.

use crate::{
    api::{
        Custom, GROUP, VERSION,
        names::{condition, reason},
    },
    cluster::{ClusterError, bounded, managers},
    engine::conditions::short,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::error_boundary::InvalidObject,
};
use serde_json::{Value, json};

/// Conditions that say how an object fares, all of which the mark replaces.
const REPLACED: [&str; 3] = [condition::READY, condition::RECONCILING, condition::STALLED];

/// Puts the mark on the object.
pub(super) async fn mark<K: Custom>(client: &Client, object: &InvalidObject) {
    if let Err(error) = try_to_mark::<K>(client, object).await {
        tracing::warn!(%error, "cannot tell that an object is malformed");
    }
}

async fn try_to_mark<K: Custom>(client: &Client, object: &InvalidObject) -> Result<(), ClusterError> {
    let meta = &object.metadata;
    let (Some(name), Some(namespace)) = (&meta.name, &meta.namespace) else { return Ok(()) };
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let doing = || format!("marking {} {name}", K::NAME);
    let stored = bounded(doing, api.get(name)).await?;
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
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
                "The object cannot be read: {}. Correct it with kubectl edit",
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
    status["conditions"] = conditions.into();
    status["observedGeneration"] = generation.into();
    status
}

/// What the decoder says, without the value it stumbled over: people paste tokens where references belong.
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
    use crate::api::Valkey;

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
            let told = without_value(&error);
            assert!(told.contains("invalid type") && told.contains(", expected"), "{told}");
            assert!(!told.contains("hunter2") && !told.contains("4711"), "{told}");
        }
        assert_eq!(without_value("missing field `plan`"), "missing field `plan`");
    }
}
