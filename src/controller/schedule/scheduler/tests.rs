//! Which resource is reconciled, when, and in which order, by a clock that only moves while no task works.

use super::*;
use crate::server::health::Health;
use futures::stream;
use std::sync::{Mutex, atomic::AtomicUsize};
use tokio::time;
use valkeeper_api::Valkey;

type Reference = Arc<ObjectRef<Cached<Valkey>>>;

/// The events as text, and the way to request reconciliations.
struct Scene {
    log: Arc<Mutex<Vec<String>>>,
    requests: mpsc::UnboundedSender<Request<Valkey>>,
    shutdown: CancellationToken,
    giving: tokio::task::JoinHandle<()>,
}

impl Scene {
    /// Reconciliations that wait for their permit as long as `waiting`, and then last for `lasting`.
    fn begin(waiting: u64, lasting: u64, next: impl Fn(usize) -> Next + Send + Sync + 'static) -> Self {
        let (log, shutdown) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (requests, mut incoming) = mpsc::unbounded_channel();
        let (notes, next) = (log.clone(), Arc::new(next));
        let begun = time::Instant::now();
        let scheduler = Scheduler::new(move |reference: Reference, call: Arc<Call>| {
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
        let incoming = stream::poll_fn(move |cx| incoming.poll_recv(cx));
        let giving = tokio::spawn(scheduler.give(incoming, shutdown.clone()));
        Self { log, requests, shutdown, giving }
    }

    fn ask(&self, name: &str) {
        self.requests.send(Request::One(Arc::new(ObjectRef::new(name)))).unwrap();
    }

    /// What happened within so many seconds.
    async fn after(&self, seconds: u64) -> Vec<String> {
        time::sleep(Duration::from_secs(seconds)).await;
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

fn never(_: usize) -> Next {
    Next::WhenAsked
}

#[tokio::test]
async fn edit_of_a_waiting_resource_raises_its_priority() {
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
async fn request_during_reconciliation_schedules_one_more() {
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
async fn request_before_the_permit_joins_the_waiting_work_item() {
    let scene = Scene::begin(100, 1, never);
    scene.ask("a");
    time::sleep(Duration::from_secs(5)).await;
    scene.ask("a");
    assert_eq!(scene.after(200).await, ["a hurries 5", "a begins 5", "a ends 6"]);
}

#[tokio::test(start_paused = true)]
async fn request_too_late_for_one_work_item_schedules_another() {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    // A reconciliation that finds that it comes too early ends without having begun.
    let scheduler = Scheduler::new(move |_: Reference, _: Arc<Call>| {
        count.fetch_add(1, Ordering::SeqCst);
        time::sleep(Duration::from_secs(1)).map(|()| Next::After(LONGEST)).boxed()
    });
    let reference = Arc::new(ObjectRef::new("a"));
    let requests = [Request::One(reference.clone()), Request::One(reference)];
    let requests = stream::iter(requests).chain(stream::pending());
    let giving = scheduler.give(requests, CancellationToken::new());
    assert!(time::timeout(Duration::from_mins(1), giving).await.is_err());
    assert_eq!(taken.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn work_item_starts_when_due_or_when_requested_earlier() {
    let scene = Scene::begin(0, 0, |_| Next::After(Duration::from_secs(30)));
    scene.ask("a");
    time::sleep(Duration::from_secs(10)).await;
    scene.ask("a");
    let expected = ["a begins 0", "a ends 0", "a begins 10", "a ends 10", "a begins 40", "a ends 40"];
    assert_eq!(scene.after(50).await, expected);
}

#[tokio::test(start_paused = true)]
async fn panicking_reconciliation_is_retried_without_side_effects() {
    let scene = Scene::begin(0, 0, |count| {
        assert!(count != 1, "the first turn of all");
        Next::WhenAsked
    });
    scene.ask("a");
    scene.ask("b");
    let log = scene.after(120).await;
    assert_eq!(log.iter().filter(|note| note.starts_with("a begins")).count(), 2, "{log:?}");
    assert_eq!(log.iter().filter(|note| note.starts_with("b begins")).count(), 1, "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn watch_restart_schedules_resources_deleted_meanwhile() {
    let scene = Scene::begin(0, 0, |_| Next::After(Duration::from_hours(1)));
    scene.ask("gone");
    scene.after(1).await;
    scene.requests.send(Request::All(vec![ObjectRef::new("new")])).unwrap();
    let mut log = scene.after(1).await;
    log.retain(|note| note.contains("begins"));
    log.sort();
    assert_eq!(log, ["gone begins 1", "new begins 1"]);
}

#[tokio::test(start_paused = true)]
async fn running_work_item_ends_before_the_scheduler() {
    let scene = Scene::begin(0, 10, |_| Next::After(Duration::ZERO));
    scene.ask("a");
    time::sleep(Duration::from_secs(1)).await;
    scene.shutdown.cancel();
    scene.giving.await.unwrap();
    assert_eq!(*scene.log.lock().unwrap(), ["a begins 0", "a ends 10"]);
}
