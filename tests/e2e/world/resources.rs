//! What users do with resources, and what they wait to see.

use super::{PATIENCE, PROJECT, World};
use crate::leaks;
use k8s_openapi::{
    ByteString,
    api::{core::v1::Secret, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Debug, time::Duration};
use valkeeper_api::{Custom, ManagedService, ProjectVpc, Redis, Valkey, names::TOKEN_FINALIZER};

impl World {
    pub(crate) fn valkeys(&self) -> Api<Valkey> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn redis(&self) -> Api<Redis> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn vpcs(&self) -> Api<ProjectVpc> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn set_token(&self, secret: &str, key: &str, value: &str) {
        assert!(leaks::is_confidential(value), "a token that would not be found");
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": {key: value}});
        self.secrets().patch(secret, &PatchParams::apply("e2e").force(), &Patch::Apply(body)).await.unwrap();
    }

    /// Puts the finalizer on the token Secret, as an earlier resource or aiven-operator has done.
    pub(crate) async fn protect_token(&self) {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": [TOKEN_FINALIZER]}}));
        self.secrets().patch("aiven-token", &PatchParams::default(), &patch).await.unwrap();
    }

    /// Creates a Valkey with the token of this world; `spec` is merged over a minimal one.
    pub(crate) async fn create_valkey(&self, name: &str, spec: Value) -> Valkey {
        let valkey = manifest("Valkey", name, spec);
        self.valkeys().create(&PostParams::default(), &valkey).await.unwrap()
    }

    /// Whether the API server takes a resource.
    pub(crate) async fn try_to_create(&self, valkey: Valkey) -> bool {
        self.valkeys().create(&PostParams::default(), &valkey).await.is_ok()
    }

    /// Creates a Redis in the same way and waits until it is ready.
    pub(crate) async fn ready_redis(&self, name: &str, spec: Value) -> Redis {
        let api = self.redis();
        api.create(&PostParams::default(), &manifest("Redis", name, spec)).await.unwrap();
        let read = || async { api.get(name).await.unwrap() };
        until(read, |redis| ready(redis).is_some_and(|ready| ready.status == "True")).await
    }

    /// Creates one and waits until it is ready.
    pub(crate) async fn ready_valkey(&self, name: &str, spec: Value) -> Valkey {
        self.create_valkey(name, spec).await;
        self.until_ready(name).await
    }

    pub(crate) async fn edit(&self, name: &str, spec: Value) -> Valkey {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.valkeys().patch(name, &PatchParams::default(), &patch).await.unwrap()
    }

    /// Waits for `Ready=True` of the present generation.
    pub(crate) async fn until_ready(&self, name: &str) -> Valkey {
        self.until_ready_for(name, "Running").await
    }

    pub(crate) async fn until_ready_for(&self, name: &str, reason: &str) -> Valkey {
        self.until_valkey(name, |valkey| {
            let ready = ready(valkey);
            ready.is_some_and(|ready| {
                ready.status == "True"
                    && ready.reason == reason
                    && ready.observed_generation == valkey.metadata.generation
            })
        })
        .await
    }

    /// Waits until the resource is not ready for `reason`, and returns the message.
    pub(crate) async fn until_not_ready(&self, name: &str, reason: &str) -> String {
        let valkey = self
            .until_valkey(name, |valkey| {
                ready(valkey).is_some_and(|ready| ready.status == "False" && ready.reason == reason)
            })
            .await;
        ready(&valkey).unwrap().message.clone()
    }

    pub(crate) async fn until_valkey(&self, name: &str, wanted: impl Fn(&Valkey) -> bool) -> Valkey {
        let api = self.valkeys();
        until(|| async { api.get(name).await.unwrap() }, wanted).await
    }

    pub(crate) async fn until_gone(&self, name: &str) {
        let api = self.valkeys();
        until(|| async { api.get_opt(name).await.unwrap() }, Option::is_none).await;
    }

    /// The texts in a Secret, decoded.
    pub(crate) async fn secret(&self, name: &str) -> BTreeMap<String, String> {
        texts(&self.secrets().get(name).await.unwrap())
    }

    /// Reasons and notes of the events about `name`, oldest first.
    pub(crate) async fn events(&self, name: &str) -> Vec<(String, String)> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut events = api.list(&ListParams::default()).await.unwrap().items;
        events.sort_by_key(|event| event.event_time.clone());
        let about = events.into_iter().filter(|event| {
            event.regarding.as_ref().and_then(|regarding| regarding.name.as_deref()) == Some(name)
        });
        about.map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
    }
}

/// A resource with the token of its world; `spec` is merged over a minimal one.
pub(crate) fn manifest<K: ManagedService>(kind: &str, name: &str, spec: Value) -> K {
    let mut all = minimal_spec();
    merge(&mut all, spec);
    // As `kubectl apply` does it.
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": all.to_string()});
    let metadata = json!({"name": name, "annotations": annotations});
    let body = json!({"apiVersion": "aiven.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": all});
    serde_json::from_value(body).unwrap()
}

/// Polls until `wanted`; panics with the last value when it takes too long.
pub(crate) async fn until<T: Debug, F: Future<Output = T>>(
    mut read: impl FnMut() -> F,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let value = read().await;
        if wanted(&value) {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited too long; the last look: {value:#?}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

pub(crate) fn ready<K: Custom>(object: &K) -> Option<&Condition> {
    condition(object, "Ready")
}

pub(crate) fn condition<'o, K: Custom>(object: &'o K, type_: &str) -> Option<&'o Condition> {
    object.conditions().iter().find(|condition| condition.type_ == type_)
}

pub(crate) fn texts(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.clone().unwrap_or_default();
    data.into_iter().map(|(key, ByteString(bytes))| (key, String::from_utf8(bytes).unwrap())).collect()
}

/// The least that a resource of any kind needs here.
pub(crate) fn minimal_spec() -> Value {
    json!({
        "project": PROJECT, "plan": "startup-4", "cloudName": "google-europe-west1",
        "authSecretRef": {"name": "aiven-token", "key": "token"},
    })
}

/// Merges `patch` over `target`; a null removes.
pub(crate) fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}

/// The same, but a null stays, as it must in a patch that is sent on.
pub(crate) fn patch(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(members)) => {
            for (key, value) in members {
                self::patch(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}
