//! Leader election with a clock that the test moves, against a store with versions: who leads, who may write, and who
//! waits, whatever pauses and failures come in between.

use super::{Candidate, Fence, Timing};
use http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, client::Body};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::time::{Duration, Instant, advance, timeout};

const TIMING: Timing = Timing {
    duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

/// An API server with a single lease.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    lease: Option<Value>,
    version: u64,
    /// Answers nothing at all.
    hangs: bool,
    /// How long the answer to a write takes after its effect.
    answers_after: Duration,
    /// Identities whose calls fail.
    cut_off: Vec<&'static str>,
}

impl Store {
    fn client(&self, who: &'static str) -> Client {
        let store = self.clone();
        Client::new(
            tower::service_fn(move |request: Request<Body>| {
                let store = store.clone();
                async move { Ok::<_, kube::Error>(store.answer(who, request).await) }
            }),
            "operators",
        )
    }

    fn candidate(&self, who: &'static str) -> Candidate {
        Candidate::new(Api::namespaced(self.client(who), "operators"), "valkeeper", who, TIMING)
    }

    async fn answer(&self, who: &str, request: Request<Body>) -> Response<Body> {
        let hangs = {
            let stored = self.0.lock().unwrap();
            stored.hangs || stored.cut_off.contains(&who)
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        let method = request.method().clone();
        let body = request.into_body().collect_bytes().await.unwrap();
        if method == Method::GET {
            return match &self.0.lock().unwrap().lease {
                Some(lease) => reply(StatusCode::OK, lease),
                None => failure(StatusCode::NOT_FOUND, "NotFound"),
            };
        }
        let (answer, wait) = self.replace(&body);
        tokio::time::sleep(wait).await;
        answer
    }

    fn replace(&self, body: &[u8]) -> (Response<Body>, Duration) {
        let mut stored = self.0.lock().unwrap();
        let mut lease: Value = serde_json::from_slice(body).unwrap();
        let version = lease.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
        let current = stored.lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        if current.unwrap_or_default() != version {
            return (failure(StatusCode::CONFLICT, "Conflict"), stored.answers_after);
        }
        stored.version += 1;
        lease["metadata"]["resourceVersion"] = json!(stored.version.to_string());
        stored.lease = Some(lease.clone());
        (reply(StatusCode::OK, &lease), stored.answers_after)
    }

    fn set(&self, change: impl FnOnce(&mut Stored)) {
        change(&mut self.0.lock().unwrap());
    }

    fn spec(&self) -> Value {
        self.0.lock().unwrap().lease.as_ref().unwrap()["spec"].clone()
    }
}

fn reply(code: StatusCode, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}

fn failure(code: StatusCode, reason: &str) -> Response<Body> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code.as_u16()});
    reply(code, &body)
}

#[tokio::test(start_paused = true)]
async fn second_candidate_waits_while_the_lease_is_renewed() {
    let store = Store::default();
    let (mut first, mut second) = (store.candidate("a"), store.candidate("b"));
    let fence = first.acquire(|_| {}).await;
    let renewing = tokio::spawn(async move { first.keep(&fence).await });
    assert!(timeout(Duration::from_mins(10), second.acquire(|_| {})).await.is_err());
    assert!(!renewing.is_finished());
    assert_eq!(store.spec()["leaseTransitions"], 0);
    renewing.abort();
}

#[tokio::test(start_paused = true)]
async fn lease_takeover_waits_until_its_holder_can_no_longer_write() {
    let store = Store::default();
    let (mut first, mut second) = (store.candidate("a"), store.candidate("b"));
    let fence = first.acquire(|_| {}).await;
    let held = fence.clone();
    let renewing = tokio::spawn(async move { first.keep(&held).await });
    assert!(timeout(Duration::from_secs(7), second.acquire(|_| {})).await.is_err());
    store.set(|stored| stored.cut_off.push("a"));
    let cut_off = Instant::now();
    let watched = fence.clone();
    let closed = tokio::spawn(async move {
        while watched.check().is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cut_off.elapsed()
    });
    let other = second.acquire(|_| {}).await;
    assert!(fence.check().is_err(), "two replicas may write");
    assert!(other.check().is_ok());
    let (closed, taken) = (closed.await.unwrap(), cut_off.elapsed());
    assert!(closed <= TIMING.renew_deadline, "closed after {closed:?}");
    assert!(taken > closed + Duration::from_secs(2), "taken {taken:?}, closed {closed:?}");
    assert_eq!(store.spec()["holderIdentity"], "b");
    assert_eq!(store.spec()["leaseTransitions"], 1);
    renewing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lease_times_from_a_wrong_clock_do_not_depose_the_holder() {
    let store = Store::default();
    let mut first = store.candidate("a");
    let fence = first.acquire(|_| {}).await;
    store.set(|stored| {
        let lease = stored.lease.as_mut().unwrap();
        lease["spec"]["renewTime"] = json!("2001-01-01T00:00:00.000000Z");
    });
    let early = timeout(Duration::from_secs(14), store.candidate("b").acquire(|_| {})).await;
    assert!(early.is_err(), "a foreign clock was trusted");
    drop(fence);
}

#[tokio::test(start_paused = true)]
async fn paused_process_resumes_behind_a_closed_fence() {
    let store = Store::default();
    let fence = store.candidate("a").acquire(|_| {}).await;
    assert!(fence.check().is_ok());
    advance(Duration::from_mins(1)).await;
    assert!(fence.check().is_err());
    let guarded = fence.guard(store.client("a"));
    let api: Api<Lease> = Api::namespaced(guarded, "operators");
    assert!(api.get("valkeeper").await.is_ok(), "reads go on");
    let lease = api.get("valkeeper").await.unwrap();
    let error = api.replace("valkeeper", &kube::api::PostParams::default(), &lease).await.unwrap_err();
    assert!(error.to_string().contains("not the leader any more"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn short_outages_of_the_api_server_end_no_term() {
    let store = Store::default();
    let mut first = store.candidate("a");
    let fence = first.acquire(|_| {}).await;
    let held = fence.clone();
    let renewing = tokio::spawn(async move { first.keep(&held).await });
    for _ in 0..5 {
        store.set(|stored| stored.hangs = true);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(fence.check().is_ok());
        store.set(|stored| stored.hangs = false);
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert!(fence.check().is_ok());
    }
    assert!(!renewing.is_finished());
    renewing.abort();
}

#[tokio::test(start_paused = true)]
async fn returned_lease_is_free_immediately() {
    let store = Store::default();
    let (mut first, mut second) = (store.candidate("a"), store.candidate("b"));
    first.acquire(|_| {}).await;
    let waiting = tokio::spawn(async move {
        second.acquire(|_| {}).await;
        Instant::now()
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    let released = Instant::now();
    first.release().await;
    assert!(waiting.await.unwrap() - released <= Duration::from_secs(3));
    assert_eq!(store.spec()["holderIdentity"], "b");
}

#[tokio::test(start_paused = true)]
async fn renewal_without_an_answer_does_not_keep_the_lease() {
    let store = Store::default();
    let mut candidate = store.candidate("a");
    let fence = candidate.acquire(|_| {}).await;
    store.set(|stored| stored.answers_after = Duration::from_secs(1));
    assert!(timeout(TIMING.retry_period + Duration::from_millis(500), candidate.keep(&fence)).await.is_err());
    candidate.release().await;
    assert_eq!(store.spec()["holderIdentity"], "");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_lead_gives_nothing_back() {
    let store = Store::default();
    store.candidate("a").acquire(|_| {}).await;
    let mut second = store.candidate("b");
    assert!(timeout(Duration::from_secs(5), second.acquire(|_| {})).await.is_err());
    second.release().await;
    assert_eq!(store.spec()["holderIdentity"], "a");
}

#[tokio::test(start_paused = true)]
async fn of_two_candidates_for_an_expired_lease_one_loses() {
    let store = Store::default();
    store.candidate("gone").acquire(|_| {}).await;
    let mut racing = Vec::new();
    for who in ["a", "b"] {
        let mut candidate = store.candidate(who);
        racing.push(tokio::spawn(async move {
            let fence = candidate.acquire(|_| {}).await;
            candidate.keep(&fence).await;
        }));
    }
    tokio::time::sleep(Duration::from_mins(2)).await;
    let holder = store.spec()["holderIdentity"].clone();
    assert!(holder == "a" || holder == "b");
    assert_eq!(store.spec()["leaseTransitions"], 1, "there was one takeover");
    for task in racing {
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_fence_without_election_stays_open() {
    let fence = Fence::open();
    fence.close();
    advance(Duration::from_hours(24)).await;
    assert!(fence.check().is_ok());
}
