//! What must hold at every single call, whatever went wrong before it: checked before the call is carried
//! out, against what the API server and the provider really hold at that moment.

use crate::world::{NAME, PROJECT, USER, World, connection, texts};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use valkeeper_api::{Valkey, names::FINALIZER};
use valkeeper_testbed::{
    faults::{Disturbance, Inspector, Request, Side},
    provider::ProviderHandle,
};

/// What was found to be wrong in one run.
#[derive(Clone, Default)]
pub(crate) struct Violations(Arc<Mutex<Vec<String>>>);

impl Violations {
    pub(crate) fn add(&self, violation: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(violation);
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Checks every call of the operator in this world.
pub(crate) fn inspector(client: &Client, world: &World) -> Inspector {
    let disturbances = world.all_along.disturbances();
    let witness = Witness {
        valkeys: Api::namespaced(client.clone(), &world.namespace),
        secrets: Api::namespaced(client.clone(), &world.namespace),
        provider: world.provider.clone(),
        violations: world.violations.clone(),
        truth_lags: disturbances.iter().any(|disturbance| matches!(disturbance, Disturbance::ReadLag(_))),
    };
    Arc::new(move |request| {
        let witness = witness.clone();
        async move { witness.see(&request).await }.boxed()
    })
}

#[derive(Clone)]
struct Witness {
    valkeys: Api<Valkey>,
    secrets: Api<Secret>,
    provider: ProviderHandle,
    violations: Violations,
    /// The provider's stored state differs from its answers.
    truth_lags: bool,
}

impl Witness {
    async fn see(&self, request: &Request) {
        if request.method == "GET" {
            return;
        }
        let connection_secret = format!("/secrets/{NAME}");
        // A dry run checks whether a token's Secret could be created; it has no content.
        let is_connection = request.body["metadata"]["name"] == NAME || request.body.get("data").is_some();
        let of_user =
            request.body["metadata"]["name"] == USER || request.path.ends_with(&format!("/secrets/{USER}"));
        let creates_secret = request.method == "POST" && request.path.ends_with("/secrets") && is_connection;
        match request.side {
            Side::Provider => self.provider_write(request).await,
            Side::Kubernetes if request.path.contains("/serviceusers/") => {
                self.check(request.body.get("spec").is_none(), "the operator writes spec", request);
                self.check(!crate::canary::shows(&request.body.to_string()), "a secret in a user", request);
            }
            Side::Kubernetes if request.path.ends_with("/status") => self.status_write(request).await,
            Side::Kubernetes if of_user && request.body.get("data").is_some() => {
                self.user_secret_write(request);
            }
            Side::Kubernetes if request.path.ends_with(&connection_secret) || creates_secret => {
                self.secret_write(request);
            }
            Side::Kubernetes if request.path.contains("/valkeys/") => {
                self.check(request.body.get("spec").is_none(), "the operator writes spec", request);
            }
            Side::Kubernetes => {}
        }
    }

    fn check(&self, holds: bool, rule: &str, request: &Request) {
        if !holds {
            self.violations.add(format!("{rule}: {} {}", request.method, request.path));
        }
    }

    /// Nothing is created, changed or deleted at the provider for a resource without the finalizer.
    async fn provider_write(&self, request: &Request) {
        let valkey = self.valkeys.get_opt(NAME).await.ok().flatten();
        let held = valkey.is_some_and(|valkey| valkey.finalizers().iter().any(|entry| entry == FINALIZER));
        self.check(held, "a write to the provider without a finalizer", request);
    }

    /// `Ready` is true only while the service exists and the Secret holds its connection.
    async fn status_write(&self, request: &Request) {
        let text = request.body.to_string();
        self.check(!crate::canary::shows(&text), "a secret in the status", request);
        let ready = |condition: &&Value| condition["type"] == "Ready" && condition["status"] == "True";
        let Some(stored) = self.valkeys.get_opt(NAME).await.ok().flatten() else {
            // Too late for a resource that is gone; the API server refuses it.
            return;
        };
        let conditions = request.body.pointer("/status/conditions").and_then(Value::as_array);
        let Some(ready) = conditions.and_then(|conditions| conditions.iter().find(ready)) else { return };
        // An outage keeps the condition. This check covers a new statement, and not one that is repeated unchanged
        // because no read was possible.
        let unseen = conditions.is_some_and(|all| {
            all.iter().any(|condition| condition["type"] == "Synced" && condition["status"] == "False")
        });
        let stored = stored.status.map(|status| json!(status.conditions)).unwrap_or_default();
        if self.truth_lags || (unseen && stored.as_array().is_some_and(|stored| stored.contains(ready))) {
            return;
        }
        let Some(service) = self.provider.service(PROJECT, NAME) else {
            return self.check(false, "Ready without a service", request);
        };
        if ready["reason"] == "PoweredOff" {
            return self.check(service["state"] == "POWEROFF", "PoweredOff while it is not", request);
        }
        if ready["reason"] != "Running" {
            return;
        }
        self.check(service["state"] == "RUNNING", "Ready while the service is not running", request);
        let secret = self.secrets.get_opt(NAME).await.ok().flatten();
        let current = secret.is_some_and(|secret| texts(&secret) == connection(&service));
        self.check(current, "Ready while the Secret is not what the provider says", request);
    }

    /// The Secret of a user has the password that the provider has at that moment.
    fn user_secret_write(&self, request: &Request) {
        let users = self.provider.service(PROJECT, NAME).map(|service| service["users"].clone());
        let users = users.as_ref().and_then(Value::as_array);
        let user = users.and_then(|users| users.iter().find(|user| user["username"] == USER));
        let truth = user.and_then(|user| user["password"].as_str()).unwrap_or_default();
        let written = request.body["data"]["SERVICEUSER_PASSWORD"].as_str().unwrap_or_default();
        let is_true =
            STANDARD.decode(written).is_ok_and(|bytes| !bytes.is_empty() && bytes == truth.as_bytes());
        self.check(
            is_true || self.truth_lags,
            "a Secret of a user with another password than its own",
            request,
        );
    }

    /// A connection Secret is written whole, with the truth of that moment.
    fn secret_write(&self, request: &Request) {
        if self.truth_lags {
            return;
        }
        let service = self.provider.service(PROJECT, NAME);
        let truth = service.as_ref().map(connection).unwrap_or_default();
        let data = request.body.get("data").and_then(Value::as_object);
        let written = |(key, value): (&String, &String)| {
            let text = data.and_then(|data| data.get(key)).and_then(Value::as_str).unwrap_or_default();
            STANDARD.decode(text).is_ok_and(|bytes| !bytes.is_empty() && bytes == value.as_bytes())
        };
        let whole = truth.len() == 5 && truth.iter().all(written);
        self.check(whole, "a Secret that is not what the provider says", request);
    }
}
