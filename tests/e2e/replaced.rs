//! The operator that this one replaces, still at work.

use crate::{
    leaks::logged,
    world::{World, until},
};
use k8s_openapi::{
    api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
};
use kube::{Api, api::PostParams};
use serde_json::json;

crate::scenarios![an_operator_that_still_runs_is_reported];

async fn an_operator_that_still_runs_is_reported(mut world: World) -> World {
    world.kill_operator().await;
    let holder = format!("aiven-operator-of-{}", world.namespace);
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    let lease: Lease = serde_json::from_value(json!({
        "metadata": {"name": "40db2fac.aiven.io"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 600, "renewTime": MicroTime(Timestamp::now())},
    }))
    .unwrap();
    leases.create(&PostParams::default(), &lease).await.unwrap();
    world.start_operator().await;
    let told = format!("ANOTHER OPERATOR IS RUNNING: {holder} holds lease");
    until(|| async { logged(&told) }, |told| *told).await;
    world
}
