//! Creates and updates: what a client sends becomes an object that keeps the rules of its kind. Guarantees
//! that a write is based on the version it was checked against, and that a write without effect changes
//! nothing. Defaults and validation of a kind are left to `builtin` and `schema`.

pub(crate) mod admission;
pub(crate) mod apply;
pub(crate) mod decode;
pub(crate) mod delete;
pub(crate) mod draft;
pub(crate) mod patch;
pub(crate) mod pods;
pub(crate) mod scale;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rand::RngExt as _;
use serde_json::{Value, json};

use self::draft::Draft;
use crate::api::{Api, view};
use crate::builtin;
use crate::failure::{Answer, Failure, GroupResource};
use crate::fields::Managers;
use crate::protocol::request::{Target, WriteOptions};
use crate::registry::Resource;
use crate::storage::object::{Metadata, Object};
use crate::storage::store::{Key, Refusal};
use crate::write::patch::Patch;

/// What an update does to an object.
#[derive(Debug)]
pub(crate) enum Edit {
    /// Replaces it.
    Replace(Value),
    /// Patches it.
    Patch(Patch),
    /// Applies fields to it, server-side.
    Apply { config: Value, force: bool },
}

/// A completed write.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) object: Arc<Object>,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

impl Api {
    pub(crate) fn create(&self, target: &Target, body: Value, options: &WriteOptions) -> Answer<Written> {
        let mut new = body;
        decode::check_kind(target, &mut new, false)?;
        self.check_creatable(target, new.meta("name"))?;
        decode::check_namespace(target, &mut new)?;
        let mut warnings = decode::decode(target, &mut new, options.validation, false)?;
        warnings.extend(decode::finalizer_warnings(target, &Value::Null, &new));
        let prefix = new.meta("generateName").to_owned();
        let generated = new.meta("name").is_empty() && !prefix.is_empty();
        let mut attempts = 0;
        loop {
            attempts += 1;
            if generated {
                new.meta_mut().insert("name".to_owned(), generated_name(&prefix).into());
            }
            match self.insert(target, new.clone(), None, options) {
                Err(failure) if generated && attempts < 8 && failure.is_already_exists() => {}
                result => return Ok(Written { object: result?, created: true, warnings }),
            }
        }
    }

    /// Refuses new objects where they cannot be: in a namespace or a resource that is missing or going.
    fn check_creatable(&self, target: &Target, name: &str) -> Answer<()> {
        let resource = &target.resource;
        if resource.terminating {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(Failure::forbidden(&resource.id, name, why));
        }
        let namespace = target.namespace.as_deref().unwrap_or_default();
        self.store.check_namespace(namespace).map_err(|refusal| refused(target, name, refusal))
    }

    /// Completes, checks and stores a new object.
    fn insert(
        &self,
        target: &Target,
        mut new: Value,
        managers: Option<Managers>,
        options: &WriteOptions,
    ) -> Answer<Arc<Object>> {
        let resource = &target.resource;
        if !matches!(new.meta("resourceVersion"), "" | "0") {
            return Err(Failure::unclassified("resourceVersion should not be set on objects to be created"));
        }
        let sent = apply::remember(target, &new);
        draft::initialise(target, &mut new);
        self.admit_new(target, &mut new)?;
        let errors = draft::create_errors(target, &mut new);
        draft::refuse_invalid(target, &new, &errors)?;
        let managers =
            managers.unwrap_or_else(|| apply::first_manager(target, &sent, &new, &options.manager));
        managers.write_to(&mut new);
        self.allocate_address(resource, &mut new);
        let key = Key::of(&new);
        let shape = resource.shape(target.version);
        if options.dry_run {
            if self.store.get(&resource.storage, &key).is_some() {
                return Err(Failure::already_exists(&resource.id, &key.name));
            }
            return Ok(Arc::new(Object::new(new, 0, shape)));
        }
        let new = draft::to_storage(resource, new);
        let stored = self.store.put(&resource.storage, &key, None, new, shape);
        let stored = stored.map_err(|refusal| match self.store.get(&resource.storage, &key) {
            Some(found) if found.value.deleting() => Failure::still_exists(&resource.id, &key.name),
            _ => refused(target, &key.name, refusal),
        })?;
        self.written(resource);
        // CRDs get their conditions immediately.
        let stored = self.store.get(&resource.storage, &key).unwrap_or(stored);
        Ok(view(resource, target.version, &stored))
    }

    /// Assigns an unused address to a service.
    fn allocate_address(&self, resource: &Resource, new: &mut Value) {
        if resource.builtin.is_none() || resource.kind != "Service" || !builtin::needs_cluster_ip(new) {
            return;
        }
        // Two services that are created at once have the same revision before them.
        let revision = self.store.revision();
        let next = |last: u64| revision.max(last + 1);
        let last =
            self.last_address.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        let number = next(last.unwrap_or_else(|last| last));
        let [_, _, high, low] = u32::try_from(number % 65_000).unwrap_or_default().to_be_bytes();
        let [first, second] = self.service_network;
        builtin::set_cluster_ip(new, &format!("{first}.{second}.{high}.{low}"));
    }

    /// What follows from a write.
    pub(crate) fn written(&self, resource: &Resource) {
        if resource.id.plural == "customresourcedefinitions" && resource.builtin.is_some() {
            self.establish_definitions();
        }
    }

    pub(crate) fn update(&self, target: &Target, edit: &Edit, options: &WriteOptions) -> Answer<Written> {
        loop {
            let Some(current) = self.store.get(&target.resource.storage, &target.key()) else {
                let created = match edit {
                    Edit::Apply { config, .. } => self.create_by_apply(target, config, options),
                    Edit::Replace(body) => self.create_by_update(target, body, options),
                    Edit::Patch(_) => return Err(target.not_found()),
                };
                match created {
                    // Another writer created it meanwhile.
                    Err(failure) if failure.is_already_exists() => continue,
                    result => return result,
                }
            };
            if let Some(written) = self.try_update(target, &current, edit, options)? {
                return Ok(written);
            }
        }
    }

    /// Creates what an update does not find, where the kind allows for it.
    fn create_by_update(&self, target: &Target, body: &Value, options: &WriteOptions) -> Answer<Written> {
        let resource = &target.resource;
        let allowed = resource.builtin.is_some_and(|builtin| builtin.create_on_update);
        if !allowed || target.subresource.is_some() {
            return Err(target.not_found());
        }
        let uid = body.meta("uid");
        if !uid.is_empty() {
            return Err(draft::other_uid(target, uid, ""));
        }
        let mut body = body.clone();
        body.meta_mut().remove("resourceVersion");
        self.create(target, body, options)
    }

    fn create_by_apply(&self, target: &Target, config: &Value, options: &WriteOptions) -> Answer<Written> {
        let resource = &target.resource;
        if target.subresource.is_some() {
            return Err(target.not_found());
        }
        let uid = config.meta("uid");
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Failure::conflict(&resource.id, target.name(), &why));
        }
        self.check_creatable(target, target.name())?;
        let live = json!({"apiVersion": target.api_version(), "kind": resource.kind});
        let mut managers = Managers::default();
        let edit = Edit::Apply { config: config.clone(), force: false };
        let mut new = apply::apply(target, &mut managers, &live, &edit, options)?;
        new.meta_mut().remove("resourceVersion");
        let object = self.insert(target, new, Some(managers), options)?;
        Ok(Written { object, created: true, warnings: Vec::new() })
    }

    /// One attempt of an update; none if the object changed meanwhile.
    fn try_update(
        &self,
        target: &Target,
        current: &Arc<Object>,
        edit: &Edit,
        options: &WriteOptions,
    ) -> Answer<Option<Written>> {
        let resource = &target.resource;
        let live = view(resource, target.version, current);
        let mut draft = Draft::edit(target, &live.value, edit, options)?;
        draft.check_version(target, &live, edit)?;
        draft.confine(target, &live.value);
        let errors = draft::update_errors(target, &mut draft.new, &live.value);
        draft::refuse_invalid(target, &draft.new, &errors)?;
        self.admit_change(target, &draft.new, &live.value)?;
        self.allocate_address(resource, &mut draft.new);
        let Draft { new, warnings, .. } = draft.finish(target, &live.value, &options.manager);
        let done = |object| Ok(Some(Written { object, created: false, warnings }));
        if new == live.value {
            return done(live);
        }
        if options.dry_run {
            return done(Arc::new(Object::new(new, live.revision, live.shape)));
        }
        let key = target.key();
        let new = draft::to_storage(resource, new);
        let stored = if is_gone(resource, &new) {
            self.store.delete(&resource.storage, &key, current, new)
        } else {
            self.store.put(&resource.storage, &key, Some(current), new, resource.shape(target.version))
        };
        let Ok(stored) = stored else { return Ok(None) };
        self.written(resource);
        done(view(resource, target.version, &stored))
    }
}

/// Whether nothing keeps an object that is being deleted.
pub(crate) fn is_gone(resource: &Resource, object: &Value) -> bool {
    let held = resource.id.plural == "namespaces"
        && object["spec"]["finalizers"].as_array().is_some_and(|found| !found.is_empty());
    let grace = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or_default();
    object.deleting() && object.finalizers().is_empty() && !held && grace <= 0
}

fn refused(target: &Target, name: &str, refusal: Refusal) -> Failure {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    match refusal {
        Refusal::Stale => Failure::already_exists(&target.resource.id, name),
        Refusal::NamespaceMissing => Failure::not_found(&GroupResource::new("", "namespaces"), namespace),
        Refusal::NamespaceTerminating => Failure::namespace_terminating(&target.resource.id, name, namespace),
    }
}

fn generated_name(prefix: &str) -> String {
    // Without vowels and similar letters, as upstream.
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut random = rand::rng();
    let suffix = (0..5).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]));
    prefix.chars().take(58).chain(suffix).collect()
}
