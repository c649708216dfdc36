//! Gives the resources of one watch their turns: at once when something asks for one, or when the time
//! has come that the last turn named, and never two turns of one resource at a time. Each turn is a task of
//! its own; one that ends wakes nobody but this loop, however many others wait for their permit.

use super::cached::Cached;
use crate::api::Custom;
use futures::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture};
use kube::runtime::reflector::ObjectRef;
use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::Duration,
};
use tokio_util::{
    sync::CancellationToken,
    time::{DelayQueue, delay_queue},
};

/// No wait is longer; the timer cannot hold centuries.
const LONGEST: Duration = Duration::from_hours(24 * 30);
/// When a resource whose turn panicked gets another one.
const AFTER_PANIC: Duration = Duration::from_mins(1);

/// When a resource takes its next turn, unless something asks for one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// After this time.
    After(Duration),
    /// Not before something asks for it.
    WhenAsked,
}

/// What leads to turns.
#[derive(Debug)]
pub(super) enum Request<K: Custom> {
    /// This resource has changed, or wants a turn for another reason.
    One(Arc<ObjectRef<Cached<K>>>),
    /// The watch has begun anew, and these are all there are.
    All(Vec<ObjectRef<Cached<K>>>),
}

/// Gives a resource another turn.
#[derive(Clone)]
pub(super) struct Wake<K: Custom> {
    pub(super) sender: mpsc::UnboundedSender<Arc<ObjectRef<Cached<K>>>>,
    pub(super) reference: Arc<ObjectRef<Cached<K>>>,
}

/// What a turn that waits for its permit can be told.
#[derive(Debug, Default)]
pub(super) struct Call {
    begun: AtomicBool,
    again: Notify,
}

/// The turns of one watch.
pub(super) struct Turns<K: Custom, T> {
    take: T,
    states: HashMap<Arc<ObjectRef<Cached<K>>>, State>,
    due: DelayQueue<Arc<ObjectRef<Cached<K>>>>,
    running: JoinSet<(Arc<ObjectRef<Cached<K>>>, Next)>,
}

enum State {
    Due(delay_queue::Key),
    /// Somebody asked `before` the turn had begun, or wants one `after` it.
    Taken {
        call: Arc<Call>,
        before: bool,
        after: bool,
    },
}

impl<K: Custom> Wake<K> {
    pub(super) fn wake(&self) {
        // Nobody receives any more when the process ends.
        drop(self.sender.send(Arc::clone(&self.reference)));
    }
}

impl Call {
    /// From now on the turn has what it decides upon; what changes later is for the next one.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    /// Waits until somebody asks for a turn again.
    pub(super) async fn again(&self) {
        self.again.notified().await;
    }

    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }
}

impl<K, T> Turns<K, T>
where
    K: Custom,
    T: Fn(Arc<ObjectRef<Cached<K>>>, Arc<Call>) -> BoxFuture<'static, Next>,
{
    /// No turns yet; `take` takes one.
    pub(super) fn new(take: T) -> Self {
        Self { take, states: HashMap::new(), due: DelayQueue::new(), running: JoinSet::new() }
    }

    /// Gives turns until `shutdown`, and then waits for those that have begun.
    pub(super) async fn give(
        mut self,
        requests: impl Stream<Item = Request<K>>,
        shutdown: CancellationToken,
    ) {
        let mut requests = pin!(requests);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(request) = requests.next() => self.hear(request),
                Some(ended) = self.running.join_next() => {
                    // A turn neither panics nor is aborted while this loop is there.
                    let Ok((reference, next)) = ended else { continue };
                    self.end(reference, next);
                }
                Some(due) = self.due.next() => self.begin(due.into_inner()),
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    fn hear(&mut self, request: Request<K>) {
        match request {
            Request::One(reference) => self.ask(reference),
            Request::All(references) => {
                // Those that are gone have a turn in which they are found to be.
                let known = self.states.keys().cloned();
                let all: HashSet<_> = known.chain(references.into_iter().map(Arc::new)).collect();
                for reference in all {
                    self.ask(reference);
                }
            }
        }
    }

    fn ask(&mut self, reference: Arc<ObjectRef<Cached<K>>>) {
        match self.states.get_mut(&reference) {
            Some(State::Taken { call, after, .. }) if call.has_begun() => *after = true,
            Some(State::Taken { call, before, .. }) => {
                *before = true;
                call.again.notify_one();
            }
            Some(State::Due(key)) => {
                let due = self.due.remove(key);
                self.begin(due.into_inner());
            }
            None => self.begin(reference),
        }
    }

    fn begin(&mut self, reference: Arc<ObjectRef<Cached<K>>>) {
        let call = Arc::new(Call::default());
        let turn = AssertUnwindSafe((self.take)(Arc::clone(&reference), Arc::clone(&call)));
        self.states.insert(Arc::clone(&reference), State::Taken { call, before: false, after: false });
        self.running.spawn(async move {
            let next = turn.catch_unwind().await.unwrap_or(Next::After(AFTER_PANIC));
            (reference, next)
        });
    }

    fn end(&mut self, reference: Arc<ObjectRef<Cached<K>>>, next: Next) {
        if let Some(State::Taken { call, before, after }) = self.states.get(&reference) {
            // One that ended without having begun may not have seen what it was asked for.
            if *after || (*before && !call.has_begun()) {
                return self.begin(reference);
            }
        }
        match next {
            Next::After(delay) => {
                let key = self.due.insert(Arc::clone(&reference), delay.min(LONGEST));
                self.states.insert(reference, State::Due(key));
            }
            Next::WhenAsked => drop(self.states.remove(&reference)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Valkey;
    use futures::stream;
    use std::sync::{Mutex, atomic::AtomicUsize};
    use tokio::time;

    type Reference = Arc<ObjectRef<Cached<Valkey>>>;

    /// What happened, as text, and the way to ask for turns.
    struct Scene {
        told: Arc<Mutex<Vec<String>>>,
        requests: mpsc::UnboundedSender<Request<Valkey>>,
        shutdown: CancellationToken,
        giving: tokio::task::JoinHandle<()>,
    }

    impl Scene {
        /// Turns that wait for their permit as long as `waiting`, and then last for `lasting`.
        fn begin(waiting: u64, lasting: u64, next: impl Fn(usize) -> Next + Send + Sync + 'static) -> Self {
            let (told, shutdown) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
            let (requests, mut heard) = mpsc::unbounded_channel();
            let (notes, next) = (told.clone(), Arc::new(next));
            let begun = time::Instant::now();
            let turns = Turns::new(move |reference: Reference, call: Arc<Call>| {
                let (notes, next) = (notes.clone(), next.clone());
                let note = move |what: &str| {
                    let mut notes = notes.lock().unwrap();
                    notes.push(format!("{} {what} {}", reference.name, begun.elapsed().as_secs()));
                    notes.len()
                };
                async move {
                    tokio::select! {
                        () = time::sleep(Duration::from_secs(waiting)) => {}
                        () = call.again() => drop(note("hurries")),
                    }
                    call.begin();
                    let count = note("begins");
                    time::sleep(Duration::from_secs(lasting)).await;
                    note("ends");
                    next(count)
                }
                .boxed()
            });
            let heard = stream::poll_fn(move |cx| heard.poll_recv(cx));
            let giving = tokio::spawn(turns.give(heard, shutdown.clone()));
            Self { told, requests, shutdown, giving }
        }

        fn ask(&self, name: &str) {
            self.requests.send(Request::One(Arc::new(ObjectRef::new(name)))).unwrap();
        }

        /// What happened within so many seconds.
        async fn after(&self, seconds: u64) -> Vec<String> {
            time::sleep(Duration::from_secs(seconds)).await;
            std::mem::take(&mut *self.told.lock().unwrap())
        }
    }

    fn never(_: usize) -> Next {
        Next::WhenAsked
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_during_a_turn_leads_to_one_more_turn_after_it() {
        let scene = Scene::begin(0, 10, never);
        scene.ask("a");
        time::sleep(Duration::from_secs(5)).await;
        scene.ask("a");
        scene.ask("a");
        scene.ask("b");
        let expected = ["a begins 0", "b begins 5", "a ends 10", "a begins 10", "b ends 15", "a ends 20"];
        assert_eq!(scene.after(60).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_before_the_permit_is_told_to_the_turn_that_waits() {
        let scene = Scene::begin(100, 1, never);
        scene.ask("a");
        time::sleep(Duration::from_secs(5)).await;
        scene.ask("a");
        assert_eq!(scene.after(200).await, ["a hurries 5", "a begins 5", "a ends 6"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_reaches_no_turn_in_time_leads_to_another_one() {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        // A turn that finds that it comes too early ends without having begun.
        let turns = Turns::new(move |_: Reference, _: Arc<Call>| {
            count.fetch_add(1, Ordering::SeqCst);
            time::sleep(Duration::from_secs(1)).map(|()| Next::After(LONGEST)).boxed()
        });
        let reference = Arc::new(ObjectRef::new("a"));
        let requests = [Request::One(reference.clone()), Request::One(reference)];
        let requests = stream::iter(requests).chain(stream::pending());
        let giving = turns.give(requests, CancellationToken::new());
        assert!(time::timeout(Duration::from_mins(1), giving).await.is_err());
        assert_eq!(taken.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_comes_when_its_time_has_come_or_when_asked_for_before() {
        let scene = Scene::begin(0, 0, |_| Next::After(Duration::from_secs(30)));
        scene.ask("a");
        time::sleep(Duration::from_secs(10)).await;
        scene.ask("a");
        let expected = ["a begins 0", "a ends 0", "a begins 10", "a ends 10", "a begins 40", "a ends 40"];
        assert_eq!(scene.after(50).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_panics_comes_again_and_hurts_nobody_else() {
        let scene = Scene::begin(0, 0, |count| {
            assert!(count != 1, "the first turn of all");
            Next::WhenAsked
        });
        scene.ask("a");
        scene.ask("b");
        let told = scene.after(120).await;
        assert_eq!(told.iter().filter(|note| note.starts_with("a begins")).count(), 2, "{told:?}");
        assert_eq!(told.iter().filter(|note| note.starts_with("b begins")).count(), 1, "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_watch_begins_anew_those_that_are_gone_have_a_turn_as_well() {
        let scene = Scene::begin(0, 0, |_| Next::After(Duration::from_hours(1)));
        scene.ask("gone");
        scene.after(1).await;
        scene.requests.send(Request::All(vec![ObjectRef::new("new")])).unwrap();
        let mut told = scene.after(1).await;
        told.retain(|note| note.contains("begins"));
        told.sort();
        assert_eq!(told, ["gone begins 1", "new begins 1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_under_way_ends_before_the_end() {
        let scene = Scene::begin(0, 10, |_| Next::After(Duration::ZERO));
        scene.ask("a");
        time::sleep(Duration::from_secs(1)).await;
        scene.shutdown.cancel();
        scene.giving.await.unwrap();
        assert_eq!(*scene.told.lock().unwrap(), ["a begins 0", "a ends 10"]);
    }
}
