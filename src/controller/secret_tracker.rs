//! Tracks which resources depend on which Secrets, and how those changed since they were read, where the operator
//! watches Secrets. A resource is notified when its connection Secret is changed externally or deleted, and of every
//! change to the Secret with its declared password. It is notified of changes to its token Secret when its last
//! reconciliation failed. Repeated changes to a Secret cost at most one reconciliation every few seconds.

mod dependence;

pub(super) use dependence::{Dependence, SecretKey};

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Duration, Instant};

/// Shortest time between two reconciliations of one resource that its Secrets trigger.
const PAUSE: Duration = Duration::from_secs(5);

/// Schedules a reconciliation of a resource.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// Tracked Secrets of all resources.
#[derive(Default)]
pub(super) struct SecretTracker(Mutex<State>);

#[derive(Default)]
struct State {
    users: HashMap<SecretKey, HashSet<String>>,
    resources: HashMap<String, Resource>,
}

struct Resource {
    dependence: Dependence,
    wake: Wake,
    /// The version of the connection Secret that was last seen or written.
    seen: u64,
    /// A newer one.
    changed: Option<u64>,
    token_changed: bool,
    password_changed: bool,
    at_work: bool,
    fails: bool,
    /// When a change led to the last reconciliation.
    last_reconciliation: Option<Instant>,
}

impl SecretTracker {
    /// A reconciliation of the resource begins; it covers all earlier notifications.
    pub(super) fn begin(&self, uid: &str, dependence: Dependence, wake: Wake) {
        let mut state = self.lock();
        let former = state.forget(uid);
        let same =
            former.as_ref().is_some_and(|former| former.dependence.connection == dependence.connection);
        let last_reconciliation = former.as_ref().and_then(|former| {
            if former.has_change() { Some(Instant::now()) } else { former.last_reconciliation }
        });
        for key in dependence.keys() {
            state.users.entry(key.clone()).or_default().insert(uid.to_owned());
        }
        let resource = Resource {
            dependence,
            wake,
            seen: former.as_ref().filter(|_| same).map_or(0, |former| former.seen),
            changed: None,
            token_changed: false,
            password_changed: false,
            at_work: true,
            fails: former.is_some_and(|former| former.fails),
            last_reconciliation,
        };
        state.resources.insert(uid.to_owned(), resource);
    }

    /// The reconciliation saw or wrote this version of the connection Secret.
    pub(super) fn saw(&self, uid: &str, version: u64) {
        if let Some(resource) = self.lock().resources.get_mut(uid) {
            resource.seen = version;
            resource.changed = resource.changed.filter(|changed| *changed > version);
        }
    }

    /// The reconciliation is over; `fails` is its result.
    pub(super) fn end(&self, uid: &str, fails: bool) {
        if let Some(resource) = self.lock().resources.get_mut(uid) {
            (resource.at_work, resource.fails) = (false, fails);
            resource.token_changed &= fails;
        }
    }

    /// The resource is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().forget(uid);
    }

    /// When the resource should be reconciled because of its Secrets, if it should.
    pub(super) fn due(&self, uid: &str) -> Option<Instant> {
        let state = self.lock();
        let resource = state.resources.get(uid).filter(|resource| resource.has_change())?;
        let now = Instant::now();
        Some(
            resource
                .last_reconciliation
                .map_or(now, |last_reconciliation| (last_reconciliation + PAUSE).max(now)),
        )
    }

    /// Whether any resource depends on the Secret.
    pub(super) fn concerns(&self, key: &SecretKey) -> bool {
        self.lock().users.contains_key(key)
    }

    /// The Secret exists in this version, or is `gone`. Returns whether it holds a token in use.
    pub(super) fn changed(&self, key: &SecretKey, version: u64, gone: bool) -> bool {
        let mut state = self.lock();
        let State { users, resources } = &mut *state;
        let (mut notifications, mut is_token) = (Vec::new(), false);
        for uid in users.get(key).into_iter().flatten() {
            let Some(resource) = resources.get_mut(uid) else { continue };
            is_token |= resource.dependence.token.as_ref() == Some(key);
            if resource.is_notified_of(key, version, gone) {
                notifications.push(Arc::clone(&resource.wake));
            }
        }
        drop(state);
        for wake in notifications {
            wake();
        }
        is_token
    }

    /// These are all tracked Secrets of `namespace` (`None`: of all namespaces); any other is gone.
    pub(super) fn listed(&self, namespace: Option<&str>, there: &HashSet<SecretKey>) {
        let is_gone =
            |key: &&SecretKey| namespace.is_none_or(|namespace| key.0 == namespace) && !there.contains(*key);
        let seen = |state: &State, key: &SecretKey| {
            let mut users = state.users.get(key).into_iter().flatten();
            users.any(|uid| {
                let of_resource = |resource: &Resource| {
                    resource.seen > 0 && resource.dependence.connection.as_ref() == Some(key)
                };
                state.resources.get(uid).is_some_and(of_resource)
            })
        };
        let gone: Vec<SecretKey> = {
            let state = self.lock();
            state.users.keys().filter(is_gone).filter(|key| seen(&state, key)).cloned().collect()
        };
        for key in gone {
            self.changed(&key, 0, true);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves maps that are still maps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, uid: &str) -> Option<Resource> {
        let resource = self.resources.remove(uid)?;
        for key in resource.dependence.keys() {
            if let Some(users) = self.users.get_mut(key) {
                users.remove(uid);
                if users.is_empty() {
                    self.users.remove(key);
                }
            }
        }
        Some(resource)
    }
}

impl Resource {
    fn has_change(&self) -> bool {
        self.changed.is_some() || self.token_changed || self.password_changed
    }

    /// Takes in what became of a Secret; answers whether that is a reason for a reconciliation.
    fn is_notified_of(&mut self, key: &SecretKey, version: u64, gone: bool) -> bool {
        // The version in which a Secret was deleted is not always reported.
        let version = if gone { version.max(self.seen + 1) } else { version };
        let connection = self.dependence.connection.as_ref() == Some(key) && version > self.seen;
        if connection {
            self.changed = Some(version);
        }
        // A reconciliation in progress may have read the former token, and fail.
        let token = self.dependence.token.as_ref() == Some(key) && !gone && (self.fails || self.at_work);
        self.token_changed |= token;
        // The list after an interrupted watch repeats what was read, at the cost of one reconciliation.
        let password = self.dependence.password.as_ref() == Some(key);
        self.password_changed |= password;
        connection || token || password
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn key(name: &str) -> SecretKey {
        ("team".to_owned(), name.to_owned())
    }

    /// One resource, after a reconciliation that saw version 10 of its connection Secret.
    fn settled(fails: bool) -> (SecretTracker, Arc<AtomicUsize>) {
        let (tracker, notified) = (SecretTracker::default(), Arc::new(AtomicUsize::new(0)));
        reconcile_once(&tracker, &notified, Some(10), fails);
        (tracker, notified)
    }

    fn counted(notified: &Arc<AtomicUsize>) -> Wake {
        let notified = Arc::clone(notified);
        Arc::new(move || {
            notified.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn reconcile_once(tracker: &SecretTracker, notified: &Arc<AtomicUsize>, saw: Option<u64>, fails: bool) {
        let dependence =
            Dependence { connection: Some(key("cache")), token: Some(key("token")), password: None };
        tracker.begin("uid", dependence, counted(notified));
        if let Some(version) = saw {
            tracker.saw("uid", version);
        }
        tracker.end("uid", fails);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_secret_notifications_skip_own_writes() {
        let (tracker, notified) = settled(false);
        tracker.changed(&key("cache"), 10, false);
        tracker.changed(&key("other"), 20, false);
        assert_eq!((notified.load(Ordering::Relaxed), tracker.due("uid")), (0, None));
        tracker.changed(&key("cache"), 11, false);
        assert_eq!((notified.load(Ordering::Relaxed), tracker.due("uid")), (1, Some(Instant::now())));
        reconcile_once(&tracker, &notified, Some(12), false);
        assert_eq!(tracker.due("uid"), None);
        tracker.changed(&key("cache"), 12, true);
        assert!(
            tracker.due("uid").is_some(),
            "a deletion counts although its version is the one that was seen"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn own_write_seen_before_its_answer_triggers_nothing() {
        let (tracker, notified) = settled(false);
        let dependence = Dependence { connection: Some(key("cache")), ..Dependence::default() };
        tracker.begin("uid", dependence, counted(&notified));
        tracker.changed(&key("cache"), 11, false);
        tracker.saw("uid", 11);
        tracker.end("uid", false);
        assert_eq!(tracker.due("uid"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn token_change_notifies_only_failing_resources() {
        let (tracker, notified) = settled(false);
        assert!(tracker.changed(&key("token"), 30, false), "a cached value of it must be dropped");
        assert_eq!((notified.load(Ordering::Relaxed), tracker.due("uid")), (0, None));
        let (tracker, notified) = settled(true);
        assert!(tracker.changed(&key("token"), 30, false));
        assert_eq!(notified.load(Ordering::Relaxed), 1);
        assert!(tracker.due("uid").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn secret_conflict_reconciles_at_most_every_few_seconds() {
        let (tracker, notified) = settled(false);
        tracker.changed(&key("cache"), 11, false);
        reconcile_once(&tracker, &notified, Some(12), false);
        tracker.changed(&key("cache"), 13, false);
        assert_eq!(tracker.due("uid"), Some(Instant::now() + PAUSE));
        tokio::time::advance(PAUSE).await;
        assert_eq!(tracker.due("uid"), Some(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_a_new_list_does_not_have_is_gone() {
        let (tracker, notified) = settled(false);
        assert!(tracker.concerns(&key("cache")) && !tracker.concerns(&key("other")));
        tracker.listed(Some("team"), &HashSet::from([key("cache")]));
        tracker.listed(Some("elsewhere"), &HashSet::new());
        assert_eq!(notified.load(Ordering::Relaxed), 0);
        tracker.listed(None, &HashSet::new());
        assert_eq!(notified.load(Ordering::Relaxed), 1);
        tracker.forget("uid");
        assert!(!tracker.concerns(&key("cache")) && tracker.due("uid").is_none());
    }
}
