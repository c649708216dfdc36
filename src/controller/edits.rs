//! What counts as an edit of a resource, and whether everything that it requests was done.

use kube::{Resource, ResourceExt as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use valkeeper_api::{
    ManagedService,
    names::{self, condition},
};

/// A number that changes when an edit of the resource requests something: of its spec, its deletion, our finalizer,
/// or an annotation of ours. Bookkeeping and annotations of other programs do not count.
pub(super) fn edit(object: &impl Resource) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    (meta.generation, meta.deletion_timestamp.is_some(), names::has_finalizer(meta)).hash(&mut hasher);
    for annotation in object.annotations().iter().filter(|(name, _)| names::is_request(name)) {
        annotation.hash(&mut hasher);
    }
    hasher.finish()
}

/// Whether the status reports everything that this version of the resource requests as done.
pub(super) fn is_settled<K: ManagedService>(object: &K) -> bool {
    let meta = object.meta();
    let Some(status) = object.status() else { return false };
    let ready =
        status.conditions.iter().any(|entry| entry.type_ == condition::READY && entry.status == "True");
    ready
        && status.observed_generation == meta.generation
        && meta.deletion_timestamp.is_none()
        && names::has_finalizer(meta)
        && object.annotations().get(names::RECONCILE_AT) == status.last_handled_reconcile_at.as_ref()
        && object.annotations().get(names::APPLY_MAINTENANCE).is_none_or(|request| {
            request.is_empty() || status.last_handled_apply_maintenance.as_ref() == Some(request)
        })
}

/// Whether the status reports that the last reconciliation did not succeed.
pub(super) fn is_out_of_sync<K: ManagedService>(object: &K) -> bool {
    let conditions = object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().any(|entry| entry.type_ == condition::SYNCED && entry.status == "False")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use valkeeper_api::Valkey;

    fn edited(metadata: &Value) -> u64 {
        let mut object =
            json!({"metadata": {"name": "cache", "generation": 1}, "spec": {"project": "p", "plan": "x"}});
        for (key, value) in metadata.as_object().unwrap() {
            object["metadata"][key] = value.clone();
        }
        edit(&serde_json::from_value::<Valkey>(object).unwrap())
    }

    #[test]
    fn only_our_annotations_and_finalizer_count_as_an_edit() {
        let before = edited(&json!({}));
        for ignored in [
            json!({"annotations": {"example.com/note": "1"}}),
            json!({"annotations": {names::INSTANCE_RUNNING: "true", names::TOKEN_SECRET: "t"}}),
            json!({"finalizers": ["example.com/keep"], "labels": {"a": "b"}, "resourceVersion": "9"}),
        ] {
            assert_eq!(edited(&ignored), before, "{ignored}");
        }
        for request in [
            json!({"annotations": {names::PAUSED: "true"}}),
            json!({"annotations": {names::RECONCILE_AT: "now"}}),
            json!({"annotations": {names::DELETION_POLICY: "Orphan"}}),
            json!({"annotations": {names::REFERENCED_FROM: "team"}}),
            json!({"finalizers": [names::FINALIZER]}),
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            json!({"generation": 2}),
        ] {
            assert_ne!(edited(&request), before, "{request}");
        }
    }
}
