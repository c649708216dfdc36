//! The history checker on whole clusters with quorum durability: one schedule of faults of pods and of the operator's calls to Kubernetes,
//! while clients write through the Service of the primary. The checker speaks to servers and reads the Lease as it
//! is; it knows nothing of the operator.

use crate::asking::until;
use crate::world::World;
use k8s_openapi::api::coordination::v1::Lease;
use redis::IntoConnectionInfo as _;
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_testbed::{
    faults::{FaultPlan, Lane},
    history::{Clients, Leader, Load, Promises, Recorder, judge, read_back},
    node::{Company, NodeSchedule},
};

/// What a cluster promises to clients that ask one replica to confirm.
const PROMISES: Promises =
    Promises { confirmed_by: Some(1), lag: Duration::from_secs(1), cut_off: Duration::from_secs(6) };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_are_kept_under_faults_of_pods_and_calls() {
    let Some(mut world) = World::embedded().await else { return };
    // With volumes: without them, two of its holders may rightly forget a write that was confirmed.
    let persistence = json!({"mode": "AppendOnly", "size": "1Gi"});
    world.create("trio", json!({"durability": "Quorum", "persistence": persistence})).await;
    let first = world.until_ready("trio").await;
    let primary = first["currentPrimary"].as_str().unwrap().to_owned();
    let plan = FaultPlan::new();
    world.restart_operator_behind(&plan).await;

    let recorder = Recorder::new();
    let info = world.url("trio", "leader").await.into_connection_info().unwrap();
    let leader = Leader::fixed(info);
    let load = Load::default();
    let clients = Clients::start(&recorder, &load, &leader);
    let claims = tokio::spawn(claims(world.api::<Lease>(), recorder.clone()));
    until("writes", async || (recorder.acknowledged() > 200).then_some(())).await;
    let schedule = schedule(&primary);
    let company = Company { recorder: Some(&recorder), plan: Some(&plan) };
    assert_eq!(world.nodes.play(&schedule, &company).await.unwrap(), Vec::<String>::new());
    world.nodes.heal();
    let later = |status: &Value| {
        status["Ready"]["status"] == "True" && status["term"].as_i64() > first["term"].as_i64()
    };
    world.until_status("trio", "ready in a later term", later).await;
    let calls = plan.counted(Lane::Work);
    plan.disarm();
    let before = recorder.acknowledged();
    until("writes after all", async || (recorder.acknowledged() > before + 50).then_some(())).await;
    clients.stop().await;
    claims.abort();

    let history = recorder.history(read_back(&leader, &load).await.unwrap());
    let verdict = judge(&history, &PROMISES);
    println!("{schedule}{calls} calls of the operator\n{verdict}");
    assert!(calls > 20, "the operator worked behind the plan: {calls} calls");
    assert!(verdict.is_kept(), "{verdict}");
    assert!(verdict.reigns >= 2, "another one took over: {verdict}");
}

/// The operator's calls fail in many ways while the server of the primary is killed and its successors stand still.
fn schedule(primary: &str) -> NodeSchedule {
    let others: Vec<_> =
        (0..3).map(|number| format!("trio-{number}")).filter(|name| name != primary).collect();
    let [one, other] = others.as_slice() else { panic!("three instances") };
    format!(
        "500ms calls 0:503,3:504After,7:409,11:LostResponse,16:500,22:504After\n\
         1s kill server default/{primary}\n\
         4s calls 1:LostResponse,5:503,9:504After,14:429\n\
         5s freeze pod default/{one}\n\
         7s thaw pod default/{one}\n\
         9s kill pod default/{other}\n"
    )
    .parse()
    .unwrap()
}

/// Notes the holders that the Lease names.
pub(crate) async fn claims(api: kube::Api<Lease>, recorder: Recorder) {
    loop {
        let spec = api.get("trio").await.ok().and_then(|lease| lease.spec).unwrap_or_default();
        let term = spec.lease_transitions.and_then(|term| u64::try_from(term).ok());
        if let (Some(holder), Some(term)) = (spec.holder_identity.filter(|holder| !holder.is_empty()), term) {
            recorder.claim(holder, term);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
