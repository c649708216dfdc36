//! The API behind HTTP: reads objects in the version and the state a client requests. A paged list is one consistent
//! state, or an error once that state has expired.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::builtin;
use crate::failure::{Answer, Failure};
use crate::field_error::FieldError;
use crate::protocol::request::{Query, Target};
use crate::registry::{Registry, Resource};
use crate::schema;
use crate::selector::Selector;
use crate::storage::listing::Listing;
use crate::storage::object::Object;
use crate::storage::store::{Key, Store};

/// The state of a server.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    /// Ends watches and background work.
    pub(crate) stop: CancellationToken,
    /// How often a watch that wants bookmarks gets one.
    pub(crate) bookmark_interval: Duration,
    /// The first half of the addresses of services.
    pub(crate) service_network: [u8; 2],
    /// The second half of the last address of a service.
    pub(crate) last_address: AtomicU64,
    /// Held while definitions are established.
    pub(crate) defining: Mutex<()>,
}

/// Shows a stored object in a version of its resource.
pub(crate) fn view(resource: &Resource, version: usize, object: &Arc<Object>) -> Arc<Object> {
    let shape = resource.shape(version);
    if resource.storage != resource.id {
        return Arc::new(Object::new(builtin::events::from_core(&object.value), object.revision, shape));
    }
    if object.shape == shape {
        return Arc::clone(object);
    }
    let mut value = object.value.clone();
    reshape(resource, version, &mut value);
    Arc::new(Object::new(value, object.revision, shape))
}

/// Converts a custom resource to the schema of a version.
pub(crate) fn reshape(resource: &Resource, version: usize, value: &mut Value) {
    value["apiVersion"] = resource.api_version(version).into();
    if let Some(compiled) = &resource.versions[version].schema {
        schema::prune(compiled.schema(), value);
        schema::default(compiled.schema(), value);
    }
}

impl Api {
    /// The object that is named, as it is stored.
    pub(crate) fn find(&self, target: &Target) -> Answer<Arc<Object>> {
        self.store.get(&target.resource.storage, &target.key()).ok_or_else(|| target.not_found())
    }

    pub(crate) fn get(&self, target: &Target, query: &Query) -> Answer<Arc<Object>> {
        self.check_known(read_revision(query)?)?;
        Ok(view(&target.resource, target.version, &self.find(target)?))
    }

    pub(crate) fn list(&self, target: &Target, query: &Query) -> Answer<Listing> {
        let selector = selector(target, query)?;
        let (objects, revision, after) = self.select_state(target, query)?;
        let skipped =
            after.map_or(0, |after| objects.partition_point(|object| Key::of(&object.value) <= after));
        let limit =
            query.positive("limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        query.positive("timeoutSeconds")?;
        let (mut items, mut seen, mut more) = (Vec::new(), skipped, false);
        for object in objects.iter().skip(skipped) {
            if items.len() == limit {
                more = true;
                break;
            }
            seen += 1;
            if selector.matches(&object.value) {
                items.push(view(&target.resource, target.version, object));
            }
        }
        let last = if more { objects.get(seen - 1) } else { None };
        let next = last.map(|last| write_token(revision, &Key::of(&last.value)));
        let remaining = (more && selector.is_empty()).then(|| objects.len() - seen);
        Ok(Listing { items, revision, next, remaining })
    }

    /// The objects of the state a list requests, its revision, and the key to continue after.
    fn select_state(&self, target: &Target, query: &Query) -> Answer<(Vec<Arc<Object>>, u64, Option<Key>)> {
        let resource = &target.resource.storage;
        let namespace = target.namespace.as_deref();
        let requested = read_revision(query)?;
        if !query.get("continue").is_empty() {
            let (revision, after) = read_token(query.get("continue"))?;
            let objects = self.store.list_at(resource, namespace, revision);
            return Ok((objects.map_err(|_| Failure::continue_expired())?, revision, Some(after)));
        }
        check_match(query)?;
        self.check_known(requested)?;
        match requested {
            Some(revision) if query.get("resourceVersionMatch") == "Exact" => {
                let objects = self.store.list_at(resource, namespace, revision);
                let objects = objects.map_err(|expired| Failure::expired(revision, expired.oldest))?;
                Ok((objects, revision, None))
            }
            _ => {
                let (objects, revision) = self.store.list(resource, namespace);
                Ok((objects, revision, None))
            }
        }
    }

    /// Refuses a revision that has not been reached yet.
    pub(crate) fn check_known(&self, requested: Option<u64>) -> Answer<()> {
        let current = self.store.revision();
        match requested {
            Some(requested) if requested > current => Err(Failure::too_new(requested, current)),
            _ => Ok(()),
        }
    }
}

pub(crate) fn selector(target: &Target, query: &Query) -> Answer<Selector> {
    let custom = target.resource.builtin.is_none();
    let selectable = custom.then_some(&*target.resource.versions[target.version].selectable);
    Selector::parse(query.get("labelSelector"), query.get("fieldSelector"), &target.resource.id, selectable)
}

/// The `resourceVersion` a read requests.
pub(crate) fn read_revision(query: &Query) -> Answer<Option<u64>> {
    match query.get("resourceVersion") {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            Failure::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: \
                 parsing \"{text}\": invalid syntax"
            ))
        }),
    }
}

fn check_match(query: &Query) -> Answer<()> {
    let field = "resourceVersionMatch";
    let error = match (query.get(field), query.get("resourceVersion")) {
        ("Exact" | "NotOlderThan", "") => FieldError::forbidden(
            field,
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        ("Exact", "0") => {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            FieldError::forbidden(field, why)
        }
        ("" | "Exact" | "NotOlderThan", _) => return Ok(()),
        (other, _) => FieldError::not_supported(field, &json!(other), &["Exact", "NotOlderThan", ""]),
    };
    Err(Failure::invalid_options("ListOptions", error))
}

fn write_token(revision: u64, last: &Key) -> String {
    let start = format!("{}/{}\0", last.namespace, last.name);
    URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string())
}

fn read_token(token: &str) -> Answer<(u64, Key)> {
    let read = || {
        let token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (namespace, name) = token["start"].as_str()?.strip_suffix('\0')?.split_once('/')?;
        Some((token["rv"].as_u64()?, Key::new(namespace, name)))
    };
    read().ok_or_else(|| Failure::bad_request("invalid continue token: continue key is not valid"))
}
