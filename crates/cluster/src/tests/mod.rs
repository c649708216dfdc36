//! Decisions, one table per concern, and a small model of a cluster that obeys them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod checks;
mod convergence;
mod durability;
mod effects;
mod model;
mod objects;
mod passwords;
mod pods;
mod resizes;
mod restore;
mod retained;
mod settings_change;
mod tables;
mod volumes;
mod windows;

pub(super) use pods::instance;

use crate::{Defaults, Desired};
use serde_json::{Value, json};

/// A cluster with this spec beside the usual one.
pub(super) fn desired(spec: &Value) -> Desired {
    let mut full = json!({"version": "8.1", "instances": 3, "resources": {"memory": "1Gi"}});
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyCluster",
        "metadata": {
            "name": "c", "namespace": "n", "uid": "u", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["valkeeper.io/servers"],
        },
        "spec": full,
    });
    let object = serde_json::from_value(object).unwrap();
    Desired::of(&object, Defaults { manager_image: "manager:1".to_owned() })
}
