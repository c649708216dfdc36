//! A leader that is paused: after each call to Kubernetes in turn, the thread of the runtime sleeps until the term is
//! over. The next action would be a write, and only the fence can stop it. The timer that ends the leader's work
//! comes later, because timers are polled only when there is nothing else to do.

use crate::{
    cluster::Place,
    perturbations::named,
    report,
    scenarios::{Scenario, secret_is_true},
    surroundings::Surroundings,
    world::World,
};
use axum::body::Body;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body as RequestBody};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use valkeeper::{operator, settings::Settings};
use valkeeper_testbed::provider::ProviderHandle;

/// How long a leader may continue without renewing.
const TERM: Duration = Duration::from_secs(1);
/// Longer than that.
const PAUSE: Duration = Duration::from_millis(1_200);
/// Runs side by side, each on a thread of its own.
const AT_A_TIME: usize = 4;

/// The calls of one operator, and what they show.
#[derive(Clone)]
struct Watched(Arc<Mutex<Seen>>, ProviderHandle);

struct Seen {
    /// Calls so far of those that are counted.
    calls: usize,
    /// The call after which everything freezes; never without one.
    pause_after: Option<usize>,
    /// Writes to the provider until then, from then until the lease is claimed again.
    paused_with: Option<u64>,
    /// Writes that began although the term was over.
    late: Vec<String>,
}

impl Watched {
    fn new(provider: ProviderHandle, pause_after: Option<usize>) -> Self {
        let seen = Seen { calls: 0, pause_after, paused_with: None, late: Vec::new() };
        Self(Arc::new(Mutex::new(seen)), provider)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    /// The same client, seen from here.
    fn client(&self, client: Client) -> Client {
        let (watched, namespace) = (self.clone(), client.default_namespace().to_owned());
        let service = tower::service_fn(move |request: Request<RequestBody>| {
            let (watched, client) = (watched.clone(), client.clone());
            async move {
                let counted = watched.begins(&request);
                let response = client.send(request).await?;
                if !counted {
                    return Ok(response.map(Body::new));
                }
                let (parts, body) = response.into_parts();
                let body = body.collect().await?.to_bytes();
                watched.ended();
                Ok::<_, kube::Error>(Response::from_parts(parts, Body::from(body)))
            }
        });
        Client::new(service, namespace)
    }

    /// Records a call, and returns whether it is one of those that are counted.
    fn begins(&self, request: &Request<RequestBody>) -> bool {
        let (method, path) = (request.method(), request.uri().path());
        let writes = *method != Method::GET;
        if path.contains("/leases") {
            if writes {
                self.claims_again();
            }
            return false;
        }
        // An event may be on its way through this client already.
        if path.ends_with("/events") || path.ends_with("/valkeys") || path.ends_with("/redis") {
            return false;
        }
        let mut seen = self.lock();
        if writes && seen.paused_with.is_some() {
            seen.late.push(format!("a write after the term: {method} {path}"));
        }
        true
    }

    /// A new term may begin; whatever was sent in between has arrived at the provider.
    fn claims_again(&self) {
        let mut seen = self.lock();
        if let Some(before) = seen.paused_with.take()
            && self.1.writes() != before
        {
            seen.late.push("a write to the provider after the term".to_owned());
        }
    }

    fn ended(&self) {
        let mut seen = self.lock();
        seen.calls += 1;
        if seen.pause_after == Some(seen.calls - 1) {
            seen.paused_with = Some(self.1.writes());
            // Nothing else runs on this thread, as if the process was stopped.
            thread::sleep(PAUSE);
        }
    }
}

#[test]
fn leader_frozen_after_any_call_writes_nothing_after_its_term() {
    let only = std::env::var("VALKEEPER_SCENARIO").ok();
    let mut runs = VecDeque::new();
    for name in ["create", "edit plan, userConfig and tags"] {
        if only.as_ref().is_none_or(|only| only == name) {
            let calls = run(named(name), None).expect("nothing goes wrong without a pause");
            assert!(calls > 2, "{name}: {calls} calls");
            runs.extend((0..calls).map(|call| (named(name), call)));
        }
    }
    let all = runs.len();
    println!("{all} pauses");
    let (runs, failures) = (Mutex::new(runs), Mutex::new(0));
    let next = || runs.lock().unwrap().pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((scenario, call)) = next() {
                    if let Err(complaint) = run(scenario, Some(call)) {
                        let name = scenario.name;
                        eprintln!("VALKEEPER_SCENARIO='{name}', a pause after call {call}\n    {complaint}");
                        *failures.lock().unwrap() += 1;
                    }
                }
            });
        }
    });
    assert_eq!(*failures.lock().unwrap(), 0, "so many pauses went wrong; each is printed above");
    if only.is_none() {
        report::publish("pauses", &format!("{all} runs, 0 failures.\n"));
    }
}

/// Makes one run on this thread alone; returns the calls that were counted, or what went wrong.
fn run(scenario: Scenario, pause_after: Option<usize>) -> Result<usize, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Timers and sockets are polled when there is nothing else to do, and not in between.
    let runtime = runtime.enable_all().event_interval(100_000).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(Surroundings::start(Place::Sandbox).await.unwrap()).await;
        (scenario.prepare)(&mut world).await;
        world.kill_operator().await;
        (scenario.act)(&mut world).await;
        let watched = Watched::new(world.provider.clone(), pause_after);
        let client = watched.client(Client::try_from(world.operator_config()).unwrap());
        let running = operator::run(elected(&world), client, CancellationToken::new());
        let operator = tokio::spawn(running);
        let reached = world.reaches(scenario.goal).await && world.reaches(secret_is_true).await;
        operator.abort();
        let seen = watched.lock();
        if let Some(late) = seen.late.first() {
            return Err(late.clone());
        }
        if !reached || world.provider.service_count() != 1 {
            return Err(format!("the goal is not reached: {:?}", world.valkey()));
        }
        Ok(seen.calls)
    })
}

fn elected(world: &World) -> Settings {
    let mut settings = world.settings.clone();
    // To keep to a budget is to wait for a timer.
    settings.provider_rate = 0;
    let election = &mut settings.election;
    election.leader_elect = true;
    election.leader_elect_resource_namespace.clone_from(&world.namespace);
    election.leader_elect_lease_duration = TERM * 2;
    election.leader_elect_renew_deadline = TERM;
    election.leader_elect_retry_period = TERM / 10;
    settings
}
