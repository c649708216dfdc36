//! The matrix: every scenario of a cluster's life with every named fault of the test node at its primary, judged by the
//! history checker. A sample is run with every test run; `VALKEEPER_CELLS=all` runs all, `VALKEEPER_CELLS=40` the
//! first 40, `VALKEEPER_CELL="scale out, kill pod"` one. `VALKEEPER_REPORT=1` writes `docs/failover.md`.

use crate::asking::until;
use crate::report::{Row, publish};
use crate::world::{World, named};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use redis::IntoConnectionInfo as _;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use valkeeper_testbed::faults::{FaultPlan, Schedule};
use valkeeper_testbed::history::{
    Clients, History, Leader, Load, Promise, Promises, Recorder, judge, read_back,
};
use valkeeper_testbed::node::{Lasting, NodeFault, PodName};

/// The default settings.
const PROMISES: Promises =
    Promises { confirmed_by: Some(1), lag: Duration::from_secs(1), cut_off: Duration::from_secs(10) };
/// How long a fault lasts: longer than a term.
const LENGTH: Duration = Duration::from_secs(18);
/// Between the change and the fault.
const HEAD_START: Duration = Duration::from_millis(300);
/// Longest time until a cluster is as declared again.
const REST: Duration = Duration::from_mins(3);
/// Cells that are run at the same time.
const AT_ONCE: usize = 2;

const SCENARIOS: [&str; 10] = [
    "settled",
    "scale out",
    "scale in",
    "change of resources",
    "change of a setting",
    "setting with a restart",
    "eviction",
    "deleted pod",
    "hibernate and wake",
    "cold start",
];

pub(crate) const FAULTS: [&str; 12] = [
    "none",
    "kill pod",
    "kill manager",
    "kill server",
    "freeze pod",
    "freeze manager",
    "freeze server",
    "vanish node",
    "stop api",
    "slow api",
    "calls of the operator fail",
    "operator ends",
];

/// Whether a scenario itself stops all servers, so that its gap says nothing about the fault.
fn stops_everything(scenario: &str) -> bool {
    ["hibernate and wake", "cold start"].contains(&scenario)
}

/// All cells, so that the first of them have every scenario and every fault.
fn cells() -> Vec<(&'static str, &'static str)> {
    let count = SCENARIOS.len() * FAULTS.len();
    // The lengths have a common factor of two: each second round is shifted by one.
    let cell = |number: usize| {
        let shift = number / 60;
        (SCENARIOS[number % SCENARIOS.len()], FAULTS[(number + shift) % FAULTS.len()])
    };
    (0..count).map(cell).collect()
}

#[test]
fn matrix_has_every_cell_once() {
    let all: std::collections::BTreeSet<_> = cells().into_iter().collect();
    assert_eq!(all.len(), SCENARIOS.len() * FAULTS.len());
}

fn wanted() -> Vec<(&'static str, &'static str)> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut cells = cells();
    if let Some(cell) = variable("VALKEEPER_CELL") {
        cells.retain(|(scenario, fault)| cell == format!("{scenario}, {fault}"));
        assert!(!cells.is_empty(), "no such cell: {cell}");
    } else if let Some(count) = variable("VALKEEPER_CELLS") {
        if count != "all" {
            cells.truncate(count.parse().expect("VALKEEPER_CELLS is a number, or all"));
        }
    } else {
        // Nothing fails, a pod ends, a server ends.
        cells = [cells[0], cells[1], cells[86]].to_vec();
    }
    cells
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_are_kept_in_the_matrix() {
    if valkeeper_testbed::tools::VALKEY_SERVER.or_skip().is_none() {
        return;
    }
    let (wanted, rows) = (Mutex::new(wanted().into_iter()), Mutex::new(Vec::new()));
    let next = || wanted.lock().unwrap().next();
    let work = async || {
        while let Some((scenario, fault)) = next() {
            // A runtime of its own: what an operator has started ends with it. What panics says why in the output.
            let run = tokio::task::spawn_blocking(move || {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                runtime.unwrap().block_on(cell(scenario, fault))
            });
            let row = run.await.unwrap_or_else(|error| Row::failed(scenario, fault, error.to_string()));
            println!("{row}");
            rows.lock().unwrap().push(row);
        }
    };
    futures::future::join_all((0..AT_ONCE).map(|_| work())).await;
    let rows = rows.into_inner().unwrap();
    let failed: Vec<String> =
        rows.iter().filter(|row| row.failure.is_some()).map(ToString::to_string).collect();
    publish(&rows, SCENARIOS.len() * FAULTS.len());
    assert!(failed.is_empty(), "{} of {} cells failed:\n{}", failed.len(), rows.len(), failed.join("\n"));
}

/// One run.
async fn cell(scenario: &'static str, fault: &'static str) -> Row {
    let mut world = World::embedded().await.expect("there are servers");
    world.create("trio", json!({"persistence": {"mode": "AppendOnly", "size": "1Gi"}})).await;
    let first = world.until_ready("trio").await;
    let primary = named(first["currentPrimary"].as_str().unwrap());
    let recorder = Recorder::new();
    let info = world.url("trio", "leader").await.into_connection_info().unwrap();
    let leader: Leader = Arc::new(move || Some(info.clone()));
    let load = Load::default();
    let clients = Clients::start(&recorder, &load, &leader);
    let claims = tokio::spawn(crate::checked::claims(world.api::<Lease>(), recorder.clone()));
    until("writes", async || (recorder.acknowledged() > 100).then_some(())).await;

    if scenario != "settled" {
        recorder.planned(scenario);
    }
    change(&world, scenario, &primary).await;
    tokio::time::sleep(HEAD_START).await;
    let from = recorder.now();
    suffer(&mut world, fault, &primary, &first, &recorder).await;
    if scenario == "hibernate and wake" {
        until_true(async || world.pods().await.is_empty()).await;
        world.change("trio", json!({"powered": true})).await;
    }
    let rests = until_true(async || is_at_rest(&world, scenario).await).await;
    let before = recorder.acknowledged();
    let writes = until_true(async || recorder.acknowledged() > before + 50).await;
    clients.stop().await;
    claims.abort();
    let mut row = Row { scenario, fault, ..Row::default() };
    if !rests || !writes {
        row.failure = Some(format!("not at rest: {}", world.status("trio").await["Ready"]["message"]));
        return row;
    }
    let contents = match read_back(&leader, &load).await {
        Ok(contents) => contents,
        Err(error) => return Row::failed(scenario, fault, error.to_string()),
    };
    let history = recorder.history(contents);
    let verdict = judge(&history, &PROMISES);
    let both = verdict.broken.iter().filter(|broken| broken.promise == Promise::OneSide);
    row.both = both.map(|broken| broken.count).sum();
    row.lost = verdict.lost;
    row.acknowledged = verdict.acknowledged;
    row.gap = (!stops_everything(scenario)).then(|| gap(&history, from.0));
    row.failure = (!verdict.is_kept()).then(|| verdict.to_string());
    row
}

/// What the user does.
async fn change(world: &World, scenario: &str, primary: &PodName) {
    match scenario {
        "scale out" => world.change("trio", json!({"instances": 4})).await,
        "scale in" => world.change("trio", json!({"instances": 2})).await,
        "change of resources" => world.change("trio", json!({"resources": {"memory": "96Mi"}})).await,
        "change of a setting" => world.change("trio", json!({"config": {"timeout": "300"}})).await,
        "setting with a restart" => world.change("trio", json!({"config": {"io-threads": "2"}})).await,
        "eviction" => {
            let parameters = kube::api::EvictParams::default();
            drop(world.api::<Pod>().evict(&primary.name, &parameters).await);
        }
        "deleted pod" => world.delete::<Pod>(&primary.name).await,
        "hibernate and wake" => world.change("trio", json!({"powered": false})).await,
        "cold start" => {
            for pod in world.pods().await {
                world.delete::<Pod>(&pod).await;
            }
        }
        _ => {}
    }
}

/// What goes wrong, from its beginning to its end.
async fn suffer(world: &mut World, fault: &str, primary: &PodName, first: &Value, recorder: &Recorder) {
    let pod = || primary.clone();
    let node = || {
        let instances = first["instances"].as_array().unwrap();
        let own = instances.iter().find(|instance| instance["name"] == primary.name).unwrap();
        own["node"].as_str().unwrap().to_owned()
    };
    let fault = match fault {
        "kill pod" => NodeFault::Kill(pod()),
        "kill manager" => NodeFault::KillManager(pod()),
        "kill server" => NodeFault::KillServer(pod()),
        "freeze pod" => NodeFault::Freeze(pod()),
        "freeze manager" => NodeFault::Begin(Lasting::FreezeManager(pod())),
        "freeze server" => NodeFault::Begin(Lasting::FreezeServer(pod())),
        "vanish node" => NodeFault::Vanish(node()),
        "stop api" => NodeFault::Begin(Lasting::ApiOutage),
        "slow api" => NodeFault::Begin(Lasting::ApiSlow(Duration::from_millis(500))),
        "calls of the operator fail" => {
            let plan = FaultPlan::new();
            let noted = recorder.fault(fault);
            world.restart_operator_behind(&plan).await;
            let calls = "0:503,3:504After,7:409,11:LostResponse,16:500,22:504After,30:LostResponse,41:503";
            plan.arm(Schedule::parse(calls).unwrap());
            tokio::time::sleep(LENGTH / 2).await;
            plan.disarm();
            return recorder.healed(noted);
        }
        "operator ends" => {
            let noted = recorder.fault(fault);
            world.kill_operator().await;
            tokio::time::sleep(LENGTH / 2).await;
            world.start_operator();
            return recorder.healed(noted);
        }
        _ => return,
    };
    let noted = recorder.fault(&fault);
    // A pod that has ended by then cannot suffer.
    let happened = world.nodes.inject(&fault).is_ok();
    if let Some(end) = fault.healed_by().filter(|_| happened) {
        tokio::time::sleep(LENGTH).await;
        drop(world.nodes.inject(&end));
        world.nodes.heal();
    }
    recorder.healed(noted);
}

async fn is_at_rest(world: &World, scenario: &str) -> bool {
    let count = match scenario {
        "scale out" => 4,
        "scale in" => 2,
        _ => 3,
    };
    let Some(object) = world.cluster("trio").await else { return false };
    let status = world.status("trio").await;
    status["observedGeneration"].as_i64() == object.metadata.generation
        && status["Ready"]["status"] == "True"
        && status["readyInstances"] == count
        && status["restartNeeded"].is_null()
}

/// Whether it becomes true within the time.
async fn until_true(condition: impl AsyncFn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < REST {
        if condition().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

/// The longest time without an acknowledgment that ended after this moment.
fn gap(history: &History, from: u64) -> Duration {
    let mut times: Vec<u64> =
        history.writes.iter().filter_map(|write| Some(write.acknowledged()?.0.0)).collect();
    times.sort_unstable();
    let gaps = times.windows(2).filter(|pair| pair[1] >= from).map(|pair| pair[1] - pair[0]);
    Duration::from_micros(gaps.max().unwrap_or_default())
}
