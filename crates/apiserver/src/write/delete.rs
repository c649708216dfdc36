//! Deletions, immediate or after the finalizers. Checks a client's preconditions; controllers collect dependents.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::api::{Api, view};
use crate::failure::{Answer, Failure, GroupResource};
use crate::field_error::FieldError;
use crate::protocol::body::parse_body;
use crate::protocol::request::{Query, Target};
use crate::storage::listing::Listing;
use crate::storage::object::{Metadata, Object, now, stamp};
use crate::storage::store::Key;
use crate::write::is_gone;

/// The finalizer of an owner that waits for its dependents.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an owner whose dependents are to be released.
pub(crate) const ORPHAN: &str = "orphan";
/// The finalizer of a definition whose objects are to be deleted.
pub(crate) const CUSTOM_RESOURCES: &str = "customresourcecleanup.apiextensions.k8s.io";

const PERMANENT_NAMESPACES: [&str; 3] = ["default", "kube-system", "kube-public"];

/// What becomes of dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// The options of a deletion.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    uid: Option<String>,
    resource_version: Option<String>,
    /// Background unless the object's finalizers require another one.
    pub(crate) propagation: Option<Propagation>,
    /// How long a pod may take to end, if the request sets it.
    grace: Option<i64>,
    dry_run: bool,
}

/// Outcome of a deletion.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; this is its last state.
    Gone(Arc<Object>),
    /// The object waits for its finalizers.
    Pending(Arc<Object>),
}

impl DeleteOptions {
    /// Reads the options from the body, or from the query if there is none.
    pub(crate) fn parse(query: &Query, headers: &HeaderMap, body: &[u8]) -> Answer<Self> {
        let body = if body.is_empty() { json!({}) } else { parse_body(headers, body, "DeleteOptions")? };
        Self::read(query, &body)
    }

    /// Reads the options of an eviction.
    pub(crate) fn of_eviction(query: &Query, eviction: &Value) -> Answer<Self> {
        Self::read(query, &eviction["deleteOptions"])
    }

    fn read(query: &Query, body: &Value) -> Answer<Self> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let policy = text("/propagationPolicy").unwrap_or_else(|| query.get("propagationPolicy").to_owned());
        let propagation = match policy.as_str() {
            "" if body["orphanDependents"] == true || query.is_true("orphanDependents") => {
                Some(Propagation::Orphan)
            }
            "" => None,
            "Background" => Some(Propagation::Background),
            "Foreground" => Some(Propagation::Foreground),
            "Orphan" => Some(Propagation::Orphan),
            other => {
                let supported = ["Background", "Foreground", "Orphan"];
                let error = FieldError::not_supported("propagationPolicy", &json!(other), &supported);
                return Err(Failure::invalid_options("DeleteOptions", error));
            }
        };
        Ok(Self {
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            propagation,
            grace: body["gracePeriodSeconds"]
                .as_i64()
                .or_else(|| query.get("gracePeriodSeconds").parse().ok()),
            dry_run: query.get("dryRun") == "All" || body["dryRun"] == json!(["All"]),
        })
    }

    /// Deletes the very object that was seen, whatever happens to its name.
    pub(crate) fn of(object: &Object, propagation: Option<Propagation>) -> Self {
        Self { uid: Some(object.value.meta("uid").to_owned()), propagation, ..Self::default() }
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// How long the object may take to end: pods only, and those only where a node runs them.
    fn grace_of(&self, target: &Target, object: &Value) -> i64 {
        let phase = object["status"]["phase"].as_str().unwrap_or_default();
        let runs = is_pod(target)
            && object["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty())
            && !["Succeeded", "Failed"].contains(&phase);
        let wanted = self.grace.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64());
        match wanted.unwrap_or_default() {
            _ if !runs => 0,
            ..0 => 1,
            seconds => seconds,
        }
    }

    fn check(&self, target: &Target, object: &Object) -> Answer<()> {
        let refused = |what: &str, given: &str, found: &str, hint: &str| {
            let why = format!(
                "the {what} in the precondition ({given}) does not match the {what} in record ({found}). {hint}"
            );
            // Upstream names the kind here, not the resource.
            let kind = GroupResource::new(&target.resource.id.group, &target.resource.kind);
            Err(Failure::conflict(&kind, target.name(), &why))
        };
        let (uid, version) = (object.value.meta("uid"), object.revision.to_string());
        match (&self.uid, &self.resource_version) {
            (Some(given), _) if given != uid => {
                refused("UID", given, uid, "The object might have been deleted and then recreated")
            }
            (_, Some(given)) if *given != version => {
                refused("ResourceVersion", given, &version, "The object might have been modified")
            }
            _ => Ok(()),
        }
    }
}

impl Api {
    pub(crate) fn delete(&self, target: &Target, options: &DeleteOptions) -> Answer<Deleted> {
        let resource = &target.resource;
        if is_namespace(target) && PERMANENT_NAMESPACES.contains(&target.name()) {
            return Err(Failure::forbidden(&resource.id, target.name(), "this namespace may not be deleted"));
        }
        loop {
            let current = self.find(target)?;
            options.check(target, &current)?;
            let last = marked(target, &current.value, options);
            let gone = is_gone(resource, &last);
            let shown = |object: &Arc<Object>| view(resource, target.version, object);
            if !gone && last == current.value {
                return Ok(Deleted::Pending(shown(&current)));
            }
            if options.dry_run {
                let object = Arc::new(Object::new(last, current.revision, current.shape));
                return Ok(if gone { Deleted::Gone(object) } else { Deleted::Pending(shown(&object)) });
            }
            let stored = if gone {
                self.store.delete(&resource.storage, &target.key(), &current, current.value.clone())
            } else {
                self.store.put(&resource.storage, &target.key(), Some(&current), last, current.shape)
            };
            if let Ok(stored) = stored {
                self.written(resource);
                return Ok(if gone { Deleted::Gone(stored) } else { Deleted::Pending(shown(&stored)) });
            }
        }
    }

    /// Deletes what a list would show.
    pub(crate) fn delete_collection(
        &self,
        target: &Target,
        query: &Query,
        options: &DeleteOptions,
    ) -> Answer<Listing> {
        let mut listing = self.list(target, query)?;
        for item in &mut listing.items {
            match self.delete(&target.named(&Key::of(&item.value)), options) {
                Ok(Deleted::Gone(object) | Deleted::Pending(object)) => *item = object,
                // Another writer was faster.
                Err(failure) if failure.code() == http::StatusCode::NOT_FOUND => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(listing)
    }

    /// A write of the server itself: no checks, no managers, and no write if nothing changes.
    pub(crate) fn amend(&self, target: &Target, change: impl Fn(&mut Value)) {
        let storage = &target.resource.storage;
        while let Some(current) = self.store.get(storage, &target.key()) {
            let mut new = current.value.clone();
            change(&mut new);
            if new == current.value {
                return;
            }
            let stored = if is_gone(&target.resource, &new) {
                self.store.delete(storage, &target.key(), &current, new)
            } else {
                self.store.put(storage, &target.key(), Some(&current), new, current.shape)
            };
            if stored.is_ok() {
                return self.written(&target.resource);
            }
        }
    }
}

fn is_pod(target: &Target) -> bool {
    target.resource.builtin.is_some() && target.resource.kind == "Pod"
}

/// Shortens the time that an object which is being deleted has; it never grows.
fn shorten(object: &mut Value, grace: i64) {
    let Some(left) = object["metadata"]["deletionGracePeriodSeconds"].as_i64() else { return };
    if grace >= left {
        return;
    }
    let moment = object.meta("deletionTimestamp").parse::<chrono::DateTime<chrono::Utc>>();
    let metadata = object.meta_mut();
    if let Ok(moment) = moment {
        let moment = moment - chrono::Duration::seconds(left - grace);
        metadata.insert("deletionTimestamp".to_owned(), stamp(moment).into());
    }
    metadata.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
}

fn is_namespace(target: &Target) -> bool {
    target.resource.builtin.is_some() && target.resource.id.plural == "namespaces"
}

/// The object with everything a deletion writes into it.
fn marked(target: &Target, current: &Value, options: &DeleteOptions) -> Value {
    let mut object = current.clone();
    let builtin = target.resource.builtin.is_some();
    let is_definition = builtin && target.resource.id.plural == "customresourcedefinitions";
    let mut finalizers: Vec<String> = current.finalizers().into_iter().map(str::to_owned).collect();
    if let Some(propagation) = options.propagation {
        finalizers.retain(|found| found != FOREGROUND && found != ORPHAN);
        match propagation {
            Propagation::Background => {}
            Propagation::Foreground => finalizers.push(FOREGROUND.to_owned()),
            Propagation::Orphan => finalizers.push(ORPHAN.to_owned()),
        }
    }
    if is_definition && !current.deleting() {
        finalizers.push(CUSTOM_RESOURCES.to_owned());
        finalizers.dedup();
    }
    let metadata = object.meta_mut();
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), finalizers.into());
    }
    if current.deleting() {
        if is_pod(target)
            && let Some(grace) = options.grace
        {
            shorten(&mut object, grace.max(0));
        }
        return object;
    }
    let grace = options.grace_of(target, current);
    let moment = chrono::Utc::now() + chrono::Duration::seconds(grace);
    metadata.insert("deletionTimestamp".to_owned(), stamp(moment).into());
    if is_namespace(target) {
        object.section("status").insert("phase".to_owned(), "Terminating".into());
    } else if is_definition {
        if let Some(conditions) = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            conditions.push(json!({
                "type": "Terminating", "status": "True", "reason": "InstanceDeletionInProgress",
                "message": "CustomResource deletion is in progress", "lastTransitionTime": now(),
            }));
        }
    } else {
        metadata.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
        if let Some(generation) = current["metadata"]["generation"].as_u64() {
            metadata.insert("generation".to_owned(), (generation + 1).into());
        }
    }
    object
}

/// Removes a finalizer of the server's own, and with the last one the object.
pub(crate) fn release(api: &Api, target: &Target, finalizer: &str) {
    api.amend(target, |object| {
        let kept: Vec<String> =
            object.finalizers().into_iter().filter(|found| *found != finalizer).map(str::to_owned).collect();
        let metadata = object.meta_mut();
        if kept.is_empty() {
            metadata.remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), kept.into());
        }
    });
}
