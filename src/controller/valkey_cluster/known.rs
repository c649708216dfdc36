//! What this process remembers of each cluster between reconciliations. After a restart it is empty: everything is read
//! again, and a Lease counts as seen from then on only.

use super::{instances::Door, restoration::Restoration};
use crate::{cluster::version, controller::schedule::wakers::Wakers};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, runtime::reflector::Store};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Duration, Instant};
use valkeeper_api::{ValkeyCluster, valkey_cluster::FailoverRecord};
use valkeeper_cluster::{
    AccessSeen, BackupsSeen, Certificates, ClaimSeen, LeaseSeen, ObjectSeen, Owned, OwnedKind, Password,
    ServingSeen, SourceSeen,
    resize::{Refusal, Resources},
};
use valkeeper_engine::ConnectionSecret;
use valkeeper_failover::{
    observer::Observer,
    protocol::{Peer, Peers},
};

/// So many ends of pods are remembered of a cluster; it has nine pods at most.
const MAX_TERMINATED_PODS: usize = 64;

/// Between two attempts to resize a pod that Kubernetes refuses.
const BETWEEN_RESIZES: Duration = Duration::from_mins(5);
/// How long the watch of pods may be behind what this process wrote.
const LAG: Duration = Duration::from_secs(3);

/// Everything that is remembered.
#[derive(Default)]
pub(in crate::controller) struct Clusters {
    known: Mutex<HashMap<Box<str>, Known>>,
    pub(in crate::controller) wakers: Wakers,
    pods: Mutex<Vec<PodStore>>,
    /// By the identity of their clusters, the pods that have ended for good, the last at the end.
    ends: Mutex<HashMap<Box<str>, VecDeque<Peer>>>,
}

/// The pods of a namespace, or of all of them.
#[derive(Clone)]
pub(super) struct PodStore {
    pub(super) namespace: Option<String>,
    pub(super) store: Store<Pod>,
}

impl PodStore {
    pub(super) fn state(&self) -> Vec<Arc<Pod>> {
        self.store.state()
    }
}

/// What all clusters share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) pods: Vec<PodStore>,
}

/// What is remembered of one.
#[derive(Clone)]
pub(super) struct Known {
    /// As the last write of this process left it.
    pub(super) object: Option<ValkeyCluster>,
    /// Failures in a row.
    pub(super) failures: u32,
    pub(super) observer: Observer,
    /// The start of the clock by which the observer counts.
    pub(super) started: Instant,
    /// The Lease as it was read when the cluster was found at rest.
    pub(super) lease_at_rest: Option<LeaseLook>,
    /// What was found of objects that change rarely.
    pub(super) objects: Option<Arc<ObservedObjects>>,
    /// The way to its instances.
    pub(super) door: Option<Door>,
    /// Pods as writes of this process left them.
    pub(super) pods: BTreeMap<String, (Pod, Instant)>,
    /// Objects that were applied, what of, and when: none is applied again and again without effect.
    pub(super) applied: BTreeMap<(OwnedKind, String), (Owned, Instant)>,
    /// Pods by name that are gone, with their identity.
    pub(super) ended: BTreeMap<String, String>,
    /// A promotion that was asked for.
    pub(super) promotion: Option<FailoverRecord>,
    /// The reason that was last told in an event.
    pub(super) told: Option<&'static str>,
    /// A restoration that was asked for.
    pub(super) restoration: Restoration,
    /// When the backup before the deletion was last refused, and why.
    pub(super) final_backup: Option<(Instant, String)>,
    /// When a larger volume was last refused, and why.
    pub(super) growth_refused: Option<(Instant, String)>,
    /// Pods by identity: when Kubernetes has refused them which resources.
    pub(super) refused_resizes: BTreeMap<String, (Instant, Resources, Refusal)>,
    /// What schedules said after so many changes of theirs.
    pub(super) schedules: Option<(u64, BackupsSeen)>,
}

/// What one read of the Lease showed.
#[derive(Clone, Debug)]
pub(super) struct LeaseLook {
    pub(super) seen: LeaseSeen,
    /// The only instance may do without it.
    pub(super) is_optional: bool,
    /// When the read began, by the clock of the observer.
    pub(super) began: Duration,
}

/// What was found of passwords.
#[derive(Clone)]
pub(super) struct PasswordsSeen {
    /// The one that is asked for.
    pub(super) wanted: Password,
    /// A user asks for another generated one.
    pub(super) is_due: bool,
    /// Those that servers should accept.
    pub(super) access: AccessSeen,
}

/// What was found of objects that change rarely.
#[derive(Clone)]
pub(super) struct ObservedObjects {
    pub(super) at: Instant,
    pub(super) edit: u64,
    /// How the objects were rendered that they were compared with.
    pub(super) owned: Vec<Owned>,
    pub(super) objects: BTreeMap<(OwnedKind, String), ObjectSeen>,
    /// Objects that should not be there, with their identities.
    pub(super) unwanted: BTreeMap<(OwnedKind, String), String>,
    pub(super) passwords: PasswordsSeen,
    pub(super) authority: Certificates,
    pub(super) certificate: Certificates,
    /// The Secrets with the certificate for clients: where it comes from, and what servers read.
    pub(super) source: SourceSeen,
    pub(super) serving: ServingSeen,
    /// Whether clients were to have TLS.
    pub(super) secured: bool,
    pub(super) claims: BTreeMap<u32, ClaimSeen>,
    pub(super) secret: ConnectionSecret,
    /// Addresses of Services by name, where Secrets have them.
    pub(super) addresses: BTreeMap<String, String>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            object: None,
            failures: 0,
            observer: Observer::default(),
            started: Instant::now(),
            lease_at_rest: None,
            objects: None,
            door: None,
            pods: BTreeMap::new(),
            ended: BTreeMap::new(),
            applied: BTreeMap::new(),
            promotion: None,
            told: None,
            restoration: Restoration::default(),
            final_backup: None,
            growth_refused: None,
            refused_resizes: BTreeMap::new(),
            schedules: None,
        }
    }
}

impl Known {
    /// The newer of the object that the watch shows and the one that was last written.
    pub(super) fn newer(&self, watched: ValkeyCluster) -> ValkeyCluster {
        let own = self
            .object
            .as_ref()
            .filter(|own| own.uid() == watched.uid() && version(*own) > version(&watched));
        own.cloned().unwrap_or(watched)
    }

    /// Another controller takes the change back, or the API server shows it otherwise: it is made once per interval.
    pub(super) fn was_just_applied(&self, object: &Owned, interval: Duration) -> bool {
        let applied = self.applied.get(&(object.kind, object.name.clone()));
        let recent = applied.filter(|(_, at)| at.elapsed() < interval);
        let applied = recent.is_some_and(|(applied, _)| applied == object);
        if applied {
            tracing::warn!(
                kind = object.kind.names().1,
                object = object.name,
                "object differs after it was applied"
            );
        }
        applied
    }

    /// Everything is read again.
    pub(super) fn forget_observed_objects(&mut self) {
        self.objects = None;
        self.pods.clear();
    }

    /// What Kubernetes has refused this pod, until it is asked again.
    pub(super) fn refused_resize(&self, uid: &str, wanted: Resources) -> Option<Refusal> {
        let (at, resources, refusal) = self.refused_resizes.get(uid)?;
        (at.elapsed() < BETWEEN_RESIZES && *resources == wanted).then(|| refusal.clone())
    }

    /// A pod with this identity is gone, whatever the watch still shows.
    pub(super) fn gone(&mut self, name: &str, uid: &str) {
        self.ended.insert(name.to_owned(), uid.to_owned());
    }

    /// Notes a pod as the API server answered a write.
    pub(super) fn wrote(&mut self, pod: Pod) {
        self.pods.insert(pod.name_any(), (pod, Instant::now()));
    }

    /// The pods that the watch shows, with those that this process has written since.
    pub(super) fn merged(&mut self, watched: Vec<Arc<Pod>>) -> Vec<Arc<Pod>> {
        let now = Instant::now();
        self.pods.retain(|_, (_, at)| now < *at + LAG);
        let is_gone = |pod: &Arc<Pod>| self.ended.get(&pod.name_any()) == pod.metadata.uid.as_ref();
        let watched = watched.into_iter().filter(|pod| !is_gone(pod));
        let mut merged: BTreeMap<String, Arc<Pod>> = watched.map(|pod| (pod.name_any(), pod)).collect();
        self.pods.retain(|name, (own, _)| match merged.get(name) {
            Some(shown) => version(&**shown) < version(own),
            None => true,
        });
        for (name, (own, _)) in &self.pods {
            merged.insert(name.clone(), Arc::new(own.clone()));
        }
        merged.into_values().collect()
    }
}

impl Clusters {
    /// What is remembered of a cluster.
    pub(super) fn recall(&self, uid: &str) -> (Known, Shared) {
        let known = lock(&self.known).get(uid).cloned().unwrap_or_default();
        (known, Shared { pods: lock(&self.pods).clone() })
    }

    pub(super) fn keep(&self, uid: &str, known: Known) {
        lock(&self.known).insert(uid.into(), known);
    }

    /// Forgets a cluster that is gone.
    pub(in crate::controller) fn forget(&self, uid: &str) {
        lock(&self.known).remove(uid);
        lock(&self.ends).remove(uid);
        self.wakers.forget(uid);
    }

    /// Notes that a pod of a cluster has ended for good.
    pub(super) fn record_terminated_pod(&self, cluster: &str, pod: Peer) {
        let mut all = lock(&self.ends);
        let ends = all.entry(cluster.into()).or_default();
        if !ends.contains(&pod) {
            ends.push_back(pod);
        }
        if ends.len() > MAX_TERMINATED_PODS {
            ends.pop_front();
        }
    }

    /// The pods of a cluster that have ended for good.
    pub(super) fn terminated_pods(&self, cluster: &str) -> Peers {
        lock(&self.ends).get(cluster).map(|ends| ends.iter().cloned().collect()).unwrap_or_default()
    }

    /// Pods are shown here as well.
    pub(super) fn add_pods(&self, store: PodStore) {
        lock(&self.pods).push(store);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it holds is whole whatever happened to the thread that held the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
