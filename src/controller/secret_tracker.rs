//! Which Secrets matter to whom, and what became of them since somebody looked, where the operator watches
//! Secrets. A resource hears of its connection Secret when that was changed by somebody else or is gone, and of
//! its token Secret when its last reconciliation failed. Somebody who changes a Secret over and over costs one
//! reconciliation in a few seconds, no more.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Duration, Instant};

/// Shortest time between two reconciliations of one resource that its Secrets ask for.
const PAUSE: Duration = Duration::from_secs(5);

/// Namespace and name of a Secret.
pub(super) type Place = (String, String);

/// Schedules a reconciliation of a resource.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// What is known of Secrets, for all resources.
#[derive(Default)]
pub(super) struct SecretTracker(Mutex<State>);

#[derive(Default)]
struct State {
    users: HashMap<Place, HashSet<String>>,
    resources: HashMap<String, Resource>,
}

/// The Secrets that one resource depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dependence {
    /// Where its connection is, or should be.
    pub(super) connection: Option<Place>,
    /// Where its token is.
    pub(super) token: Option<Place>,
}

struct Resource {
    dependence: Dependence,
    wake: Wake,
    /// The version of the connection Secret that was last seen or written.
    seen: u64,
    /// A newer one.
    changed: Option<u64>,
    token_changed: bool,
    at_work: bool,
    fails: bool,
    /// When news led to the last turn.
    heeded: Option<Instant>,
}

impl SecretTracker {
    /// A reconciliation of the resource begins; what was told before is heeded in it.
    pub(super) fn begin(&self, uid: &str, dependence: Dependence, wake: Wake) {
        let mut state = self.lock();
        let former = state.forget(uid);
        let same =
            former.as_ref().is_some_and(|former| former.dependence.connection == dependence.connection);
        let heeded = former
            .as_ref()
            .and_then(|former| if former.has_news() { Some(Instant::now()) } else { former.heeded });
        for place in dependence.places() {
            state.users.entry(place.clone()).or_default().insert(uid.to_owned());
        }
        let resource = Resource {
            dependence,
            wake,
            seen: former.as_ref().filter(|_| same).map_or(0, |former| former.seen),
            changed: None,
            token_changed: false,
            at_work: true,
            fails: former.is_some_and(|former| former.fails),
            heeded,
        };
        state.resources.insert(uid.to_owned(), resource);
    }

    /// The turn saw or wrote this version of the connection Secret.
    pub(super) fn saw(&self, uid: &str, version: u64) {
        if let Some(resource) = self.lock().resources.get_mut(uid) {
            resource.seen = version;
            resource.changed = resource.changed.filter(|changed| *changed > version);
        }
    }

    /// The turn is over, and the resource fails or not.
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
        let resource = state.resources.get(uid).filter(|resource| resource.has_news())?;
        let now = Instant::now();
        Some(resource.heeded.map_or(now, |heeded| (heeded + PAUSE).max(now)))
    }

    /// Whether anybody depends on the Secret.
    pub(super) fn concerns(&self, place: &Place) -> bool {
        self.lock().users.contains_key(place)
    }

    /// A Secret is there in this version, or `gone`; answers whether it holds a token that somebody uses.
    pub(super) fn changed(&self, place: &Place, version: u64, gone: bool) -> bool {
        let mut state = self.lock();
        let State { users, resources } = &mut *state;
        let (mut wakes, mut is_token) = (Vec::new(), false);
        for uid in users.get(place).into_iter().flatten() {
            let Some(resource) = resources.get_mut(uid) else { continue };
            is_token |= resource.dependence.token.as_ref() == Some(place);
            if resource.hears(place, version, gone) {
                wakes.push(Arc::clone(&resource.wake));
            }
        }
        drop(state);
        for wake in wakes {
            wake();
        }
        is_token
    }

    /// These are all Secrets of `namespace` (`None`: of all) on which anybody depends: others are gone.
    pub(super) fn listed(&self, namespace: Option<&str>, there: &HashSet<Place>) {
        let is_gone = |place: &&Place| {
            namespace.is_none_or(|namespace| place.0 == namespace) && !there.contains(*place)
        };
        let seen = |state: &State, place: &Place| {
            let mut users = state.users.get(place).into_iter().flatten();
            users.any(|uid| {
                let of_resource = |resource: &Resource| {
                    resource.seen > 0 && resource.dependence.connection.as_ref() == Some(place)
                };
                state.resources.get(uid).is_some_and(of_resource)
            })
        };
        let gone: Vec<Place> = {
            let state = self.lock();
            state.users.keys().filter(is_gone).filter(|place| seen(&state, place)).cloned().collect()
        };
        for place in gone {
            self.changed(&place, 0, true);
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
        for place in resource.dependence.places() {
            if let Some(users) = self.users.get_mut(place) {
                users.remove(uid);
                if users.is_empty() {
                    self.users.remove(place);
                }
            }
        }
        Some(resource)
    }
}

impl Dependence {
    fn places(&self) -> impl Iterator<Item = &Place> {
        self.connection.iter().chain(&self.token)
    }
}

impl Resource {
    fn has_news(&self) -> bool {
        self.changed.is_some() || self.token_changed
    }

    /// Takes in what became of a Secret; answers whether that is a reason for a reconciliation.
    fn hears(&mut self, place: &Place, version: u64, gone: bool) -> bool {
        // The version in which a Secret was deleted is not always told.
        let version = if gone { version.max(self.seen + 1) } else { version };
        let connection = self.dependence.connection.as_ref() == Some(place) && version > self.seen;
        if connection {
            self.changed = Some(version);
        }
        // A reconciliation under way may have read the former token, and fail.
        let token = self.dependence.token.as_ref() == Some(place) && !gone && (self.fails || self.at_work);
        self.token_changed |= token;
        connection || token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn place(name: &str) -> Place {
        ("team".to_owned(), name.to_owned())
    }

    /// One resource, after a reconciliation that saw version 10 of its connection Secret.
    fn settled(fails: bool) -> (SecretTracker, Arc<AtomicUsize>) {
        let (news, woken) = (SecretTracker::default(), Arc::new(AtomicUsize::new(0)));
        turn(&news, &woken, Some(10), fails);
        (news, woken)
    }

    fn counted(woken: &Arc<AtomicUsize>) -> Wake {
        let woken = Arc::clone(woken);
        Arc::new(move || {
            woken.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn turn(news: &SecretTracker, woken: &Arc<AtomicUsize>, saw: Option<u64>, fails: bool) {
        let dependence = Dependence { connection: Some(place("cache")), token: Some(place("token")) };
        news.begin("uid", dependence, counted(woken));
        if let Some(version) = saw {
            news.saw("uid", version);
        }
        news.end("uid", fails);
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_do_to_a_connection_secret_is_told_and_what_we_did_is_not() {
        let (news, woken) = settled(false);
        news.changed(&place("cache"), 10, false);
        news.changed(&place("other"), 20, false);
        assert_eq!((woken.load(Ordering::Relaxed), news.due("uid")), (0, None));
        news.changed(&place("cache"), 11, false);
        assert_eq!((woken.load(Ordering::Relaxed), news.due("uid")), (1, Some(Instant::now())));
        turn(&news, &woken, Some(12), false);
        assert_eq!(news.due("uid"), None);
        news.changed(&place("cache"), 12, true);
        assert!(news.due("uid").is_some(), "a deletion counts although its version is the one that was seen");
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_write_that_the_watch_shows_before_its_answer_is_no_news() {
        let (news, woken) = settled(false);
        let dependence = Dependence { connection: Some(place("cache")), token: None };
        news.begin("uid", dependence, counted(&woken));
        news.changed(&place("cache"), 11, false);
        news.saw("uid", 11);
        news.end("uid", false);
        assert_eq!(news.due("uid"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_news_for_those_that_fail_only() {
        let (news, woken) = settled(false);
        assert!(news.changed(&place("token"), 30, false), "a cached value of it must be dropped");
        assert_eq!((woken.load(Ordering::Relaxed), news.due("uid")), (0, None));
        let (news, woken) = settled(true);
        assert!(news.changed(&place("token"), 30, false));
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(news.due("uid").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fight_over_a_secret_costs_a_turn_in_a_few_seconds() {
        let (news, woken) = settled(false);
        news.changed(&place("cache"), 11, false);
        turn(&news, &woken, Some(12), false);
        news.changed(&place("cache"), 13, false);
        assert_eq!(news.due("uid"), Some(Instant::now() + PAUSE));
        tokio::time::advance(PAUSE).await;
        assert_eq!(news.due("uid"), Some(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_a_new_list_does_not_have_is_gone() {
        let (news, woken) = settled(false);
        assert!(news.concerns(&place("cache")) && !news.concerns(&place("other")));
        news.listed(Some("team"), &HashSet::from([place("cache")]));
        news.listed(Some("elsewhere"), &HashSet::new());
        assert_eq!(woken.load(Ordering::Relaxed), 0);
        news.listed(None, &HashSet::new());
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        news.forget("uid");
        assert!(!news.concerns(&place("cache")) && news.due("uid").is_none());
    }
}
