//! One cell of the matrix: a cluster of three under load, a change in its life, and a fault at its primary.

use crate::asking::until;
use crate::variables;
use crate::world::{World, named};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::time::{Duration, Instant};
use valkeeper_testbed::faults::{FaultPlan, Schedule};
use valkeeper_testbed::history::{Clients, History, Load, Promise, Promises, Recorder, judge, read_back};
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

/// What a cell showed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) fault: String,
    /// Why the fault did not happen: the pod had ended before, for example.
    pub(crate) spared: Option<String>,
    /// Longest time without an acknowledgment.
    pub(crate) gap: Option<Duration>,
    pub(crate) acknowledged: usize,
    /// Acknowledged writes that are not there.
    pub(crate) lost: usize,
    /// Acknowledged by two sides at once.
    pub(crate) both: usize,
    pub(crate) failure: Option<String>,
}

impl Row {
    pub(crate) fn failed(scenario: &str, fault: &str, failure: String) -> Self {
        let (scenario, fault) = (scenario.to_owned(), fault.to_owned());
        Self { scenario, fault, failure: Some(failure), ..Self::default() }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, fault, spared, gap, acknowledged, lost, both, failure } = self;
        write!(
            formatter,
            "{scenario}, {fault}: {acknowledged} acknowledged, {lost} lost, {both} by both, {gap:?}"
        )?;
        if let Some(why) = spared {
            write!(formatter, "; the fault did not happen: {why}")?;
        }
        failure.as_ref().map_or(Ok(()), |failure| write!(formatter, "; FAILED: {failure}"))
    }
}

/// Whether a scenario itself stops all servers, so that its gap says nothing about the fault.
fn stops_everything(scenario: &str) -> bool {
    ["hibernate and wake", "cold start"].contains(&scenario)
}

/// One run; with networks and volumes of their own for pods, in namespaces that this program was started in.
pub(crate) async fn cell(scenario: &str, fault: &str, isolated: bool) -> Row {
    let mut world = World::for_cell(crate::report::is_real(), isolated).await.expect("there are servers");
    let spec = variables::spec();
    let needs_consent = spec["failover"]["apiServerOutage"] == "Continue";
    world.create("trio", spec).await;
    let first = world.until_ready("trio").await;
    if needs_consent {
        crate::outages::until_replicas_are_named(&world, "trio").await;
    }
    let primary = named(first["currentPrimary"].as_str().unwrap());
    let recorder = Recorder::new();
    until("a Secret", async || world.try_secret("trio").await).await;
    let leader = variables::leader(&world).await;
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
    let spared = suffer(&mut world, fault, &primary, &first, &recorder).await;
    if scenario == "hibernate and wake" {
        until_true(async || world.pods().await.is_empty()).await;
        world.change("trio", json!({"powered": true})).await;
    }
    let rests = until_true(async || is_at_rest(&world, scenario).await).await;
    let before = recorder.acknowledged();
    let writes = until_true(async || recorder.acknowledged() > before + 50).await;
    clients.stop().await;
    claims.abort();
    if !rests || !writes {
        world.explain("trio").await;
        let status = world.status("trio").await;
        let failure = format!("at rest: {rests}, accepts writes: {writes}, status {status}");
        return Row { spared, ..Row::failed(scenario, fault, failure) };
    }
    let contents = match read_back(&leader, &load).await {
        Ok(contents) => contents,
        Err(error) => return Row::failed(scenario, fault, error.to_string()),
    };
    let history = recorder.history(contents);
    let verdict = judge(&history, &PROMISES);
    let both = verdict.broken.iter().filter(|broken| broken.promise == Promise::OneSide);
    Row {
        scenario: scenario.to_owned(),
        fault: fault.to_owned(),
        spared,
        gap: (!stops_everything(scenario)).then(|| gap(&history, from.0)),
        acknowledged: verdict.acknowledged,
        lost: verdict.lost,
        both: both.map(|broken| broken.count).sum(),
        failure: (!verdict.is_kept()).then(|| verdict.to_string()),
    }
}

/// What the user does.
async fn change(world: &World, scenario: &str, primary: &PodName) {
    match scenario {
        "scale out" => world.change("trio", json!({"instances": 4})).await,
        // Two are too few for more.
        "scale in" => world.change("trio", json!({"instances": 2, "durability": "BestEffort"})).await,
        "change of pods" => world.change("trio", json!({"imagePullPolicy": "Always"})).await,
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

/// What goes wrong, from its beginning to its end. Answers why nothing did.
async fn suffer(
    world: &mut World,
    fault: &str,
    primary: &PodName,
    first: &Value,
    recorder: &Recorder,
) -> Option<String> {
    match fault {
        "none" => return None,
        "calls of the operator fail" => {
            let plan = FaultPlan::new();
            let noted = recorder.fault(fault);
            world.restart_operator_behind(&plan).await;
            let calls = "0:503,3:504After,7:409,11:LostResponse,16:500,22:504After,30:LostResponse,41:503";
            plan.arm(Schedule::parse(calls).unwrap());
            tokio::time::sleep(LENGTH / 2).await;
            plan.disarm();
            recorder.healed(noted);
            return None;
        }
        "operator ends" => {
            let noted = recorder.fault(fault);
            world.kill_operator().await;
            tokio::time::sleep(LENGTH / 2).await;
            world.start_operator();
            recorder.healed(noted);
            return None;
        }
        _ => {}
    }
    let faults = faults(fault, primary, first);
    for fault in &faults {
        assert_eq!(world.nodes.obstacle(fault), None, "{fault}");
    }
    let noted = recorder.fault(fault);
    // A pod that has ended by then cannot suffer.
    let spared = faults.iter().find_map(|fault| Some(format!("{:#}", world.nodes.inject(fault).err()?)));
    if spared.is_none() && faults.iter().any(|fault| fault.healed_by().is_some()) {
        tokio::time::sleep(LENGTH).await;
    }
    for end in faults.iter().filter_map(NodeFault::healed_by) {
        drop(world.nodes.inject(&end));
    }
    world.nodes.heal();
    recorder.healed(noted);
    spared
}

/// What a fault of the matrix is for the nodes.
fn faults(fault: &str, primary: &PodName, first: &Value) -> Vec<NodeFault> {
    let pod = || primary.clone();
    let instances = first["instances"].as_array().unwrap();
    let names = instances.iter().map(|instance| named(instance["name"].as_str().unwrap()));
    let replicas: Vec<PodName> = names.filter(|name| name != primary).collect();
    let node = || {
        let own = instances.iter().find(|instance| instance["name"] == primary.name).unwrap();
        own["node"].as_str().unwrap().to_owned()
    };
    let to_replicas = |fault: fn(PodName, PodName) -> Lasting| {
        replicas.iter().map(|replica| NodeFault::Begin(fault(pod(), replica.clone()))).collect()
    };
    match fault {
        "kill pod" => vec![NodeFault::Kill(pod())],
        "kill manager" => vec![NodeFault::KillManager(pod())],
        "kill server" => vec![NodeFault::KillServer(pod())],
        "freeze pod" => vec![NodeFault::Freeze(pod())],
        "freeze manager" => vec![NodeFault::Begin(Lasting::FreezeManager(pod()))],
        "freeze server" => vec![NodeFault::Begin(Lasting::FreezeServer(pod()))],
        "vanish node" => vec![NodeFault::Vanish(node())],
        "stop api" => vec![NodeFault::Begin(Lasting::ApiOutage)],
        "slow api" => vec![NodeFault::Begin(Lasting::ApiSlow(Duration::from_millis(500)))],
        "split from peers" => vec![NodeFault::Begin(Lasting::SplitFromPeers(pod()))],
        "split from api" => vec![NodeFault::Begin(Lasting::SplitFromApi(pod()))],
        "isolate pod" => {
            vec![NodeFault::Begin(Lasting::SplitFromPeers(pod())), NodeFault::CutOutside(pod())]
        }
        "lose packets" => to_replicas(|from, to| Lasting::Loss(from, to, 30)),
        // Replicas connect to the primary.
        "slow network" => to_replicas(|from, to| Lasting::Delay(to, from, Duration::from_millis(100))),
        "fill volume" => {
            let claim = format!("data-{}", primary.name);
            vec![NodeFault::Begin(Lasting::DiskFull(named(&claim)))]
        }
        other => panic!("no fault {other}"),
    }
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
