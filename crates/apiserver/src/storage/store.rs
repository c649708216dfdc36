//! The objects in memory, their order of changes and the recent history. Guarantees one global order of
//! revisions, that a write based on an outdated version is refused, and that a state or a change is either
//! exact or reported as expired. What may be written is left to the callers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::failure::GroupResource;
use crate::storage::object::{Metadata, Object, Shape};

/// Where an object is within its resource. Cluster-scoped objects have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Namespace, empty for cluster-scoped objects.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The key in the object's metadata.
    pub(crate) fn of(object: &Value) -> Self {
        Self::new(object.meta("namespace"), object.meta("name"))
    }
}

/// One write.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The resource.
    pub(crate) resource: GroupResource,
    /// The object's place.
    pub(crate) key: Key,
    /// The object after the write; its last state with a new revision when it was deleted.
    pub(crate) object: Arc<Object>,
    /// The object before the write.
    pub(crate) previous: Option<Arc<Object>>,
    /// Whether the write deleted the object.
    pub(crate) deleted: bool,
}

/// Why a write was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The object is not the expected version of itself.
    Stale,
    /// There is no such namespace.
    NamespaceMissing,
    /// The namespace is being deleted.
    NamespaceTerminating,
}

/// The requested state is older than the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    /// The oldest revision in the history.
    pub(crate) oldest: u64,
}

/// All objects of all resources.
#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    changes: mpsc::UnboundedSender<Change>,
    capacity: usize,
}

#[derive(Debug)]
struct State {
    revision: u64,
    /// Changes up to this revision have expired for all resources.
    floor: u64,
    collections: HashMap<GroupResource, Collection>,
}

#[derive(Debug)]
struct Collection {
    objects: BTreeMap<Key, Arc<Object>>,
    history: VecDeque<Change>,
    /// Changes up to this revision have expired.
    floor: u64,
    /// Signals every write.
    latest: watch::Sender<u64>,
    /// Signals the writes of one namespace, as long as it has receivers.
    quarters: HashMap<String, watch::Sender<u64>>,
}

impl Store {
    /// An empty store that keeps `capacity` changes of each resource and reports every change.
    pub(crate) fn new(capacity: usize) -> (Self, mpsc::UnboundedReceiver<Change>) {
        let (changes, receiver) = mpsc::unbounded_channel();
        let state = Mutex::new(State { revision: 1, floor: 0, collections: HashMap::new() });
        (Self { state, changes, capacity }, receiver)
    }

    /// Everything in the store, for [`Store::load`].
    pub(crate) fn dump(&self) -> (u64, Vec<(GroupResource, Arc<Object>)>) {
        let state = self.lock();
        let objects = state.collections.iter().flat_map(|(resource, collection)| {
            collection.objects.values().map(|object| (resource.clone(), Arc::clone(object)))
        });
        (state.revision, objects.collect())
    }

    /// Fills an empty store with the content of another one; the history starts at its revision.
    pub(crate) fn load(&self, revision: u64, objects: Vec<(GroupResource, Object)>) {
        let mut state = self.lock();
        (state.revision, state.floor) = (revision, revision);
        for (resource, object) in objects {
            let key = Key::of(&object.value);
            state.collection(&resource).objects.insert(key, Arc::new(object));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision of the latest write.
    pub(crate) fn revision(&self) -> u64 {
        self.lock().revision
    }

    pub(crate) fn get(&self, resource: &GroupResource, key: &Key) -> Option<Arc<Object>> {
        self.lock().collections.get(resource)?.objects.get(key).cloned()
    }

    /// The objects of one or all namespaces in order, and the revision of this state.
    pub(crate) fn list(&self, resource: &GroupResource, namespace: Option<&str>) -> (Vec<Arc<Object>>, u64) {
        let state = self.lock();
        let objects =
            state.collections.get(resource).map(|found| select(&found.objects, namespace).cloned().collect());
        (objects.unwrap_or_default(), state.revision)
    }

    /// The objects as they were at `revision`.
    pub(crate) fn list_at(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Vec<Arc<Object>>, Expired> {
        let state = self.lock();
        let Some(collection) = state.collections.get(resource) else { return Ok(Vec::new()) };
        if revision < collection.floor {
            return Err(Expired { oldest: collection.floor });
        }
        let since = collection.history.partition_point(|change| change.object.revision <= revision);
        if since == collection.history.len() {
            return Ok(select(&collection.objects, namespace).cloned().collect());
        }
        let mut objects = collection.objects.clone();
        for change in collection.history.range(since..).rev() {
            match &change.previous {
                Some(previous) => objects.insert(change.key.clone(), Arc::clone(previous)),
                None => objects.remove(&change.key),
            };
        }
        Ok(select(&objects, namespace).cloned().collect())
    }

    /// The changes in one or all namespaces after `revision`, oldest first, and the revision up to which they
    /// are complete.
    pub(crate) fn changes_after(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<(Vec<Change>, u64), Expired> {
        let state = self.lock();
        let floor = state.collections.get(resource).map_or(state.floor, |found| found.floor);
        if revision < floor {
            return Err(Expired { oldest: floor });
        }
        let Some(collection) = state.collections.get(resource) else {
            return Ok((Vec::new(), state.revision));
        };
        let since = collection.history.partition_point(|change| change.object.revision <= revision);
        let concerns = |change: &&Change| namespace.is_none_or(|namespace| change.key.namespace == namespace);
        Ok((collection.history.range(since..).filter(concerns).cloned().collect(), state.revision))
    }

    /// Signals the revision of every write of the resource in one or all namespaces, and now and then that of
    /// another one; ends when the resource goes.
    pub(crate) fn subscribe(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
    ) -> watch::Receiver<u64> {
        let mut state = self.lock();
        let revision = state.revision;
        let collection = state.collection(resource);
        let Some(namespace) = namespace else { return collection.latest.subscribe() };
        let quarters = &mut collection.quarters;
        quarters.retain(|_, signal| signal.receiver_count() > 0);
        quarters.entry(namespace.to_owned()).or_insert_with(|| watch::Sender::new(revision)).subscribe()
    }

    /// Whether new objects may be created in the namespace.
    pub(crate) fn check_namespace(&self, namespace: &str) -> Result<(), Refusal> {
        self.lock().check_namespace(namespace)
    }

    /// Writes an object where `expected` is the present one, or none is present.
    pub(crate) fn put(
        &self,
        resource: &GroupResource,
        key: &Key,
        expected: Option<&Arc<Object>>,
        mut value: Value,
        shape: Shape,
    ) -> Result<Arc<Object>, Refusal> {
        let mut state = self.lock();
        let revision = state.revision + 1;
        state.expect(resource, key, expected)?;
        if expected.is_none() {
            state.check_namespace(&key.namespace)?;
        }
        value.meta_mut().insert("resourceVersion".to_owned(), revision.to_string().into());
        let object = Arc::new(Object::new(value, revision, shape));
        let collection = state.collection(resource);
        let previous = collection.objects.insert(key.clone(), Arc::clone(&object));
        let (resource, key) = (resource.clone(), key.clone());
        Ok(self.record(&mut state, Change { resource, key, object, previous, deleted: false }))
    }

    /// Removes an object whose present version is `expected`; `last` is its final state for watches.
    pub(crate) fn delete(
        &self,
        resource: &GroupResource,
        key: &Key,
        expected: &Arc<Object>,
        mut last: Value,
    ) -> Result<Arc<Object>, Refusal> {
        let mut state = self.lock();
        let revision = state.revision + 1;
        state.expect(resource, key, Some(expected))?;
        last.meta_mut().insert("resourceVersion".to_owned(), revision.to_string().into());
        let object = Arc::new(Object::new(last, revision, expected.shape));
        let previous = state.collection(resource).objects.remove(key);
        let (resource, key) = (resource.clone(), key.clone());
        Ok(self.record(&mut state, Change { resource, key, object, previous, deleted: true }))
    }

    /// Records and reports a write, and returns its object.
    fn record(&self, state: &mut State, change: Change) -> Arc<Object> {
        let object = Arc::clone(&change.object);
        let revision = object.revision;
        state.revision = revision;
        let collection = state.collection(&change.resource);
        if collection.history.len() >= self.capacity
            && let Some(forgotten) = collection.history.pop_front()
        {
            collection.floor = forgotten.object.revision;
        }
        collection.history.push_back(change.clone());
        collection.signal(&change.key.namespace, revision, self.capacity);
        // The receiver is gone once the server has stopped.
        let _ = self.changes.send(change);
        object
    }

    /// Whether no object of any resource is in the namespace.
    pub(crate) fn is_namespace_empty(&self, namespace: &str) -> bool {
        let state = self.lock();
        let mut collections = state.collections.values();
        collections.all(|found| select(&found.objects, Some(namespace)).next().is_none())
    }

    /// Ends the watches of a resource that is no longer served, once they have reported the whole history.
    pub(crate) fn end_watches(&self, resource: &GroupResource) {
        let mut state = self.lock();
        let revision = state.revision;
        if let Some(collection) = state.collections.get_mut(resource) {
            collection.latest = watch::Sender::new(revision);
            collection.quarters.clear();
        }
    }

    /// Drops the history of all resources, as the compaction of etcd does.
    pub(crate) fn compact(&self) {
        let mut state = self.lock();
        state.floor = state.revision;
        let floor = state.floor;
        for collection in state.collections.values_mut() {
            collection.history.clear();
            collection.floor = floor;
        }
    }
}

impl Collection {
    fn new(floor: u64) -> Self {
        let latest = watch::Sender::new(floor);
        let (objects, history, quarters) = (BTreeMap::new(), VecDeque::new(), HashMap::new());
        Self { objects, history, floor, latest, quarters }
    }

    /// Notifies the watches that a write concerns, and every watch before its position expires.
    fn signal(&self, namespace: &str, revision: u64, capacity: usize) {
        let part = u64::try_from(capacity / 4).unwrap_or(u64::MAX).max(1);
        let before = self.latest.send_replace(revision);
        if before / part != revision / part {
            for signal in self.quarters.values() {
                signal.send_replace(revision);
            }
        } else if let Some(signal) = self.quarters.get(namespace) {
            signal.send_replace(revision);
        }
    }
}

impl State {
    fn collection(&mut self, resource: &GroupResource) -> &mut Collection {
        let floor = self.floor;
        self.collections.entry(resource.clone()).or_insert_with(|| Collection::new(floor))
    }

    fn expect(
        &self,
        resource: &GroupResource,
        key: &Key,
        expected: Option<&Arc<Object>>,
    ) -> Result<(), Refusal> {
        let present = self.collections.get(resource).and_then(|found| found.objects.get(key));
        let same = present.map(|object| object.revision) == expected.map(|object| object.revision);
        if same { Ok(()) } else { Err(Refusal::Stale) }
    }

    fn check_namespace(&self, namespace: &str) -> Result<(), Refusal> {
        if namespace.is_empty() {
            return Ok(());
        }
        let namespaces = self.collections.get(&GroupResource::new("", "namespaces"));
        match namespaces.and_then(|found| found.objects.get(&Key::new("", namespace))) {
            None => Err(Refusal::NamespaceMissing),
            Some(found) if found.value.deleting() => Err(Refusal::NamespaceTerminating),
            Some(_) => Ok(()),
        }
    }
}

/// The objects of one or all namespaces.
fn select<'o>(
    objects: &'o BTreeMap<Key, Arc<Object>>,
    namespace: Option<&str>,
) -> impl Iterator<Item = &'o Arc<Object>> {
    let start = Key::new(namespace.unwrap_or_default(), "");
    let namespace = namespace.map(str::to_owned);
    objects
        .range((Bound::Included(start), Bound::Unbounded))
        .take_while(move |(key, _)| namespace.as_ref().is_none_or(|namespace| key.namespace == *namespace))
        .map(|(_, object)| object)
}
