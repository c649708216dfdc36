//! The history checker on real instances: the schedules under which a naive failover loses writes and lets two sides
//! acknowledge them, and others. The checker speaks to servers and reads the Lease as it is; it knows nothing of
//! the protocol between operator and managers.

use crate::{
    operator::Operator,
    pods::{NAMES, Pods, named},
    world::valkey,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use valkeeper_failover::{Name, operator::Step, protocol::Role};
use valkeeper_testbed::{
    history::{Clients, Leader, Load, Promises, Recorder, Verdict, address, judge, read_back},
    node::{Company, Lasting, NodeFault, NodeOptions, NodeSchedule, Targets},
    tools,
};

/// What the settings of the instances say.
const PROMISES: Promises =
    Promises { confirmed_by: Some(1), lag: Duration::from_secs(1), cut_off: Duration::from_secs(6) };

/// Plays a schedule on three instances while clients write, after a planned switchover if that is wanted; what the
/// judge says, and what could not be played.
async fn judged(pods: &Pods, schedule: &NodeSchedule, hands_over: bool) -> (Verdict, Vec<String>) {
    let mut operator = Operator::new();
    operator.preferred = Some(Name::from("a"));
    let first = operator.settled(&pods.world).await;
    assert_eq!(first, Name::from("a"), "the schedules are about the primary");
    let recorder = Recorder::new();
    let leader = leader(pods, &operator);
    let patient = Load { patience: Duration::from_secs(15), ..Load::default() };
    let restless = Load { patience: Duration::from_millis(500), ..Load::default() };
    let clients = [&patient, &restless].map(|load| Clients::start(&recorder, load, &leader));
    let claims = tokio::spawn(claims(pods.client.clone(), recorder.clone()));
    if hands_over {
        hand_over(pods, &mut operator, &recorder, &first).await;
    }
    let company = Company { recorder: Some(&recorder), plan: None };
    let reconcile = async {
        loop {
            operator.step(&pods.world).await;
        }
    };
    let missed = tokio::select! {
        played = pods.nodes.play(schedule, &company) => played.unwrap(),
        () = reconcile => unreachable!("it has no end"),
    };
    pods.nodes.heal();
    operator.settled(&pods.world).await;
    let before = recorder.acknowledged();
    operator.until(&pods.world, "writes after all", async |_| recorder.acknowledged() > before + 50).await;
    for clients in clients {
        clients.stop().await;
    }
    // Clients of a server that is not the primary any more are told so.
    operator.until(&pods.world, "settled", async |step| matches!(step, Step::Settled(..))).await;
    claims.abort();
    let history = recorder.history(read_back(&leader, &patient).await.unwrap());
    let verdict = judge(&history, &PROMISES);
    println!("{schedule}did not happen: {missed:#?}\n{verdict}");
    if !verdict.is_kept() {
        let file = std::env::temp_dir().join(format!("history-{}.json", std::process::id()));
        std::fs::write(&file, serde_json::to_string(&history).unwrap()).unwrap();
        println!("the whole history is in {}", file.display());
    }
    (verdict, missed)
}

/// Lets a primary hand over to another instance, which is planned.
async fn hand_over(pods: &Pods, operator: &mut Operator, recorder: &Recorder, from: &Name) {
    operator.until(&pods.world, "writes", async |_| recorder.acknowledged() > 200).await;
    let primary = &pods.world.node(from).client;
    let Role::Primary(term) = primary.status().await.unwrap().status.role else { panic!("no primary") };
    recorder.planned(format!("{from} hands over"));
    primary.failover(term).await.unwrap();
    let other = |step: &Step| matches!(step, Step::Settled(name, _) if name != from);
    operator.until(&pods.world, "another primary", async |step| other(step)).await;
}

/// Where the operator routes clients.
fn leader(pods: &Pods, operator: &Operator) -> Leader {
    let hosts: Vec<(Name, SocketAddr)> = pods
        .world
        .nodes
        .iter()
        .map(|node| (node.name.clone(), SocketAddr::new(node.host.parse().unwrap(), 6379)))
        .collect();
    let route = Arc::clone(&operator.route);
    Leader::At(Arc::new(move || {
        let name = route.lock().unwrap().clone()?;
        hosts.iter().find(|(known, _)| *known == name).and_then(|(_, host)| address(*host))
    }))
}

/// Notes the holders that the Lease names.
async fn claims(client: kube::Client, recorder: Recorder) {
    let api: Api<Lease> = Api::namespaced(client, "default");
    loop {
        let spec = api.get("cache").await.ok().and_then(|lease| lease.spec).unwrap_or_default();
        let term = spec.lease_transitions.and_then(|term| u64::try_from(term).ok());
        if let (Some(holder), Some(term)) = (spec.holder_identity.filter(|holder| !holder.is_empty()), term) {
            recorder.claim(holder, term);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn keeps(isolated: bool, persistence: &str, schedule: &str) {
    let pods = Pods::start(isolated, persistence, NodeOptions::default()).await;
    let (verdict, missed) = judged(&pods, &schedule.parse().unwrap(), false).await;
    assert_eq!(missed, Vec::<String>::new());
    assert!(verdict.is_kept(), "{verdict}");
    assert!(verdict.reigns >= 2, "another one took over: {verdict}");
}

/// The schedule on which `naive_failover_is_caught_after_a_freeze` of the test node breaks G2 and G5.
const FREEZE: &str = include_str!("../../../testbed/schedules/freeze.txt");
/// The same under a partition.
const PARTITION: &str = include_str!("../../../testbed/schedules/partition.txt");

#[tokio::test(flavor = "multi_thread")]
async fn promises_are_kept_when_the_primary_freezes() {
    if valkey().is_some() {
        keeps(false, "None", FREEZE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promises_are_kept_when_servers_and_managers_are_killed() {
    if valkey().is_some() {
        // One after the other: each has its data again, however slowly it catches up.
        let schedule = "1s kill server default/a\n6s kill manager default/b\n12s kill pod default/c\n";
        keeps(false, "AppendOnly", schedule).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_switchover_loses_nothing_by_the_judge() {
    if valkey().is_none() {
        return;
    }
    let pods = Pods::start(false, "None", NodeOptions::default()).await;
    let (verdict, _) = judged(&pods, &NodeSchedule::default(), true).await;
    assert!(verdict.is_kept() && verdict.lost == 0, "{verdict}");
    assert!(verdict.reigns >= 2, "another one took over: {verdict}");
}

/// Six faults that this mode and machine can do.
fn random(pods: &Pods) -> NodeSchedule {
    let seed = std::env::var("HISTORY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let targets = Targets { pods: NAMES.map(named).to_vec(), ..Targets::default() };
    let can = |fault: &NodeFault| {
        let obstacle = pods.nodes.obstacle(fault);
        if let Some(obstacle) = &obstacle {
            println!("left out: {fault}: {obstacle}");
        }
        obstacle.is_none()
    };
    NodeSchedule::random(seed, 6, Duration::from_secs(40), &targets, can)
}

/// Random faults, by `HISTORY_SEED`, or the schedule in the file that `HISTORY_SCHEDULE` names.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a search of its own: HISTORY_SEED=1 cargo test -p valkeeper-instance --test servers checked::random -- --ignored --nocapture"]
async fn random_schedule() {
    if valkey().is_none() {
        return;
    }
    let isolated = std::env::var_os("HISTORY_ISOLATED").is_some();
    // Without persistence, three kills in a row rightly lose everything.
    let options = NodeOptions { clocks: true, ..NodeOptions::default() };
    let pods = Pods::start(isolated, "AppendOnly", options).await;
    let schedule = match std::env::var("HISTORY_SCHEDULE") {
        Ok(file) => std::fs::read_to_string(file).unwrap().parse().unwrap(),
        Err(_) => random(&pods),
    };
    println!("{schedule}");
    let (verdict, _) = judged(&pods, &schedule, false).await;
    assert!(verdict.is_kept(), "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test, in namespaces of its own"]
async fn partition() {
    keeps(true, "None", PARTITION).await;
}

#[test]
fn promises_are_kept_under_a_partition() {
    inside("checked::partition");
}

/// What the primary has acknowledged lies on the way when it is held, and arrives.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test, in namespaces of its own"]
async fn slow_network() {
    let pods = Pods::start(true, "None", NodeOptions::default()).await;
    for replica in &NAMES[1..] {
        let delay = Lasting::Delay(named(replica), named(NAMES[0]), Duration::from_millis(100));
        pods.nodes.inject(&NodeFault::Begin(delay)).unwrap();
    }
    let (verdict, _) = judged(&pods, &NodeSchedule::default(), true).await;
    assert!(verdict.is_kept() && verdict.lost == 0, "{verdict}");
    let lease = Api::<Lease>::namespaced(pods.client.clone(), "default").get("cache").await.unwrap();
    let term = lease.spec.and_then(|spec| spec.lease_transitions);
    assert_eq!(term, Some(2), "the successor has everything, so that the first is not needed again");
}

#[test]
fn planned_switchover_over_a_slow_network_loses_nothing() {
    inside("checked::slow_network");
}

/// Runs an ignored test of this program in namespaces of its own.
pub(crate) fn inside(test: &str) {
    if valkey().is_none() {
        return;
    }
    let Some(inside) = tools::in_namespaces(test, &[]).unwrap() else { return };
    println!("{}", inside.printed);
    assert!(inside.passed);
}
