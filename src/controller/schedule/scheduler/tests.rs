//! Who has a reconciliation, when, and in which order, by a clock that only moves when nobody works.

use super::*;
use crate::server::health::Health;
use futures::stream;
use std::sync::{Mutex, atomic::AtomicUsize};
use tokio::time;
use valkeeper_api::Valkey;

type Reference = Arc<ObjectRef<Cached<Valkey>>>;

/// What happened, as text, and the way to ask for reconciliations.
struct Scene {
    told: Arc<Mutex<Vec<String>>>,
    requests: mpsc::UnboundedSender<Request<Valkey>>,
    shutdown: CancellationToken,
    giving: tokio::task::JoinHandle<()>,
}

impl Scene {
    /// Reconciliations that wait for their permit as long as `waiting`, and then last for `lasting`.
    fn begin(waiting: u64, lasting: u64, next: impl Fn(usize) -> Next + Send + Sync + 'static) -> Self {
        let (told, shutdown) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (requests, mut heard) = mpsc::unbounded_channel();
        let (notes, next) = (told.clone(), Arc::new(next));
        let begun = time::Instant::now();
        let turns = Scheduler::new(move |reference: Reference, call: Arc<Call>| {
            let (notes, next) = (notes.clone(), next.clone());
            let note = move |what: &str| {
                let mut notes = notes.lock().unwrap();
                notes.push(format!("{} {what} {}", reference.name, begun.elapsed().as_secs()));
                notes.len()
            };
            async move {
                tokio::select! {
                    () = time::sleep(Duration::from_secs(waiting)) => {}
                    () = call.again.notified() => drop(note("hurries")),
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

#[tokio::test]
async fn an_edit_of_a_resource_that_waits_lets_it_pass_the_others() {
    let queue = Queue::new(1, Health::default(), Duration::from_mins(3));
    let busy = queue.permit(Priority::Edit).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let edited = Arc::new(AtomicBool::new(false));
    let calls: Vec<Arc<Call>> = (0..3).map(|_| Arc::default()).collect();
    let mut waiting = JoinSet::new();
    for (number, call) in calls.iter().cloned().enumerate() {
        let (queue, order, edited) = (queue.clone(), order.clone(), edited.clone());
        waiting.spawn(async move {
            let priority =
                || Ok(if edited.load(Ordering::SeqCst) { Priority::Edit } else { Priority::Routine });
            let _permit = call.permit(&queue, priority).await;
            order.lock().unwrap().push(number);
        });
    }
    tokio::task::yield_now().await;
    edited.store(true, Ordering::SeqCst);
    calls[2].again.notify_one();
    tokio::task::yield_now().await;
    drop(busy);
    waiting.join_all().await;
    assert_eq!(*order.lock().unwrap(), [2, 0, 1]);
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
    // A reconciliation that finds that it comes too early ends without having begun.
    let turns = Scheduler::new(move |_: Reference, _: Arc<Call>| {
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
