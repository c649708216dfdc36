//! Who gets a permit, in which order, and what waiting for one costs.

use super::*;
use futures::FutureExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

fn queue(permits: usize) -> Arc<Queue> {
    Queue::new(permits, Health::default(), Duration::from_mins(3))
}

async fn fill(queue: &Arc<Queue>, priority: Priority, count: usize) -> Vec<Permit> {
    let mut permits = Vec::new();
    for _ in 0..count {
        permits.push(queue.permit(priority).await.unwrap());
    }
    permits
}

#[tokio::test]
async fn an_edit_goes_before_routine_that_came_earlier() {
    let queue = queue(1);
    let held = fill(&queue, Priority::Edit, 1).await;
    let mut routine = Box::pin(queue.permit(Priority::Routine));
    let mut edit = Box::pin(queue.permit(Priority::Edit));
    assert!((&mut routine).now_or_never().is_none() && (&mut edit).now_or_never().is_none());
    drop(held);
    let permit = edit.now_or_never().unwrap().unwrap();
    assert!((&mut routine).now_or_never().is_none());
    drop(permit);
    assert!(routine.now_or_never().unwrap().is_ok());
}

#[tokio::test]
async fn an_edit_finds_a_permit_however_many_resources_are_new() {
    let queue = queue(8);
    let _new = fill(&queue, Priority::New, 7).await;
    assert!(queue.permit(Priority::New).now_or_never().is_none());
    assert!(queue.permit(Priority::Routine).now_or_never().is_none());
    assert!(queue.permit(Priority::Edit).now_or_never().unwrap().is_ok());
}

#[tokio::test]
async fn routine_never_takes_all_permits_and_never_starves() {
    let queue = queue(8);
    let routine = fill(&queue, Priority::Routine, 6).await;
    let mut waiting = Box::pin(queue.permit(Priority::Routine));
    assert!((&mut waiting).now_or_never().is_none(), "two are kept for edits");
    let mut edits = VecDeque::from(fill(&queue, Priority::Edit, 2).await);
    drop(routine);
    assert!((&mut waiting).now_or_never().unwrap().is_ok());

    let all = fill(&queue, Priority::Edit, 6).await;
    edits.extend(all);
    let mut waiting = Box::pin(queue.permit(Priority::Routine));
    assert!((&mut waiting).now_or_never().is_none());
    let mut rounds = 0;
    while (&mut waiting).now_or_never().is_none() {
        let mut next = Box::pin(queue.permit(Priority::Edit));
        assert!((&mut next).now_or_never().is_none());
        drop(edits.pop_front());
        if let Some(permit) = next.now_or_never() {
            edits.push_back(permit.unwrap());
        }
        rounds += 1;
        assert!(rounds <= LOWEST_SHARE, "routine starves");
    }
}

#[tokio::test]
async fn who_stops_waiting_takes_no_permit_along() {
    let queue = queue(1);
    let held = fill(&queue, Priority::Edit, 1).await;
    let mut gone = Box::pin(queue.permit(Priority::Edit));
    assert!((&mut gone).now_or_never().is_none());
    drop(gone);
    drop(held);
    assert!(queue.permit(Priority::Routine).now_or_never().unwrap().is_ok());
    queue.close();
    assert!(queue.permit(Priority::Edit).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_holds_no_permit() {
    let queue = queue(1);
    let mut permit = queue.permit(Priority::Edit).await.unwrap();
    let slow = permit.during(tokio::time::sleep(Duration::from_mins(1)));
    let other = async {
        drop(queue.permit(Priority::Routine).await.unwrap());
        tokio::time::Instant::now()
    };
    let begun = tokio::time::Instant::now();
    let ((), served) = tokio::join!(slow, other);
    assert!(served - begun < Duration::from_secs(1), "the permit was free after {:?}", served - begun);
}

#[tokio::test(start_paused = true)]
async fn leaked_permit_is_detected_by_the_probe() {
    let health = Health::default();
    let queue = Queue::new(1, health.clone(), Duration::from_mins(3));
    let held = fill(&queue, Priority::Edit, 1).await;
    let mut waiting = Box::pin(queue.permit(Priority::Edit));
    assert!((&mut waiting).now_or_never().is_none());
    tokio::time::advance(Duration::from_secs(200)).await;
    assert!(health.live().is_ok());
    tokio::time::advance(Duration::from_secs(100)).await;
    assert!(health.live().is_err());
    drop(held);
    assert!(waiting.now_or_never().unwrap().is_ok());
    assert!(health.live().is_ok());
}

#[tokio::test(start_paused = true)]
async fn resumed_reconciliation_precedes_all_that_have_not_begun() {
    let queue = queue(1);
    let mut permit = queue.permit(Priority::Routine).await.unwrap();
    let mut slow = Box::pin(permit.during(tokio::time::sleep(Duration::from_secs(1))));
    assert!((&mut slow).now_or_never().is_none());
    tokio::time::advance(PATIENCE).await;
    assert!((&mut slow).now_or_never().is_none(), "it gave its permit away");
    let held = queue.permit(Priority::Edit).now_or_never().unwrap().unwrap();
    let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(queue.permit(Priority::Edit))).collect();
    assert!(waiting.iter_mut().all(|permit| permit.now_or_never().is_none()));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!((&mut slow).now_or_never().is_none(), "another one has the permit");
    drop(held);
    assert!(slow.now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn time_in_line_does_not_count_toward_the_deadline() {
    let deadline = Duration::from_secs(20);
    let queue = Queue::new(1, Health::default(), deadline);
    let mut permit = queue.permit(Priority::New).await.unwrap();
    let time = permit.time();
    let reconciliation = time.within_limit(permit.during(tokio::time::sleep(Duration::from_secs(1))));
    let other = async {
        let _held = queue.permit(Priority::New).await.unwrap();
        tokio::time::sleep(deadline * 10).await;
    };
    let begun = tokio::time::Instant::now();
    let (outcome, ()) = tokio::join!(reconciliation, other);
    assert!(outcome.is_ok(), "the reconciliation fails for what another one does");
    assert!(begun.elapsed() >= deadline * 10);
}

#[tokio::test(start_paused = true)]
async fn few_passes_are_under_way_however_many_wait() {
    let queue = queue(4);
    let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let most = AtomicUsize::new(0);
    let reconciliation = async || {
        let mut permit = queue.permit(Priority::New).await.unwrap();
        let under_way = begun.fetch_add(1, Ordering::SeqCst) + 1 - ended.load(Ordering::SeqCst);
        most.fetch_max(under_way, Ordering::SeqCst);
        permit.during(tokio::time::sleep(Duration::from_secs(1))).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        ended.fetch_add(1, Ordering::SeqCst);
    };
    futures::future::join_all((0..1_000).map(|_| reconciliation())).await;
    assert!(most.load(Ordering::SeqCst) <= 4 * 4, "{most:?}");
}
