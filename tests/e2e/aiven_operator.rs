//! The operator that this one replaces, still at work.

use crate::{
    availability::{Replica, elected},
    cluster::Place,
    leaks::logged,
    world::{World, until},
};
use k8s_openapi::{
    api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

/// Its lease.
const LEASE: &str = "40db2fac.aiven.io";

crate::scenarios![an_operator_that_still_runs_is_reported];

async fn an_operator_that_still_runs_is_reported(mut world: World) -> World {
    world.kill_operator().await;
    let holder = format!("aiven-operator-of-{}", world.namespace);
    hold_its_lease(&world, &holder).await;
    world.start_operator().await;
    let warning = format!("ANOTHER OPERATOR IS RUNNING: {holder} holds lease");
    until(|| async { logged(&warning) }, |warning| *warning).await;
    world
}

/// Holds the lease of aiven-operator for longer than a test takes.
async fn hold_its_lease(world: &World, holder: &str) -> Api<Lease> {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    let lease: Lease = serde_json::from_value(json!({
        "metadata": {"name": LEASE},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 600, "renewTime": MicroTime(Timestamp::now())},
    }))
    .unwrap();
    leases.create(&PostParams::default(), &lease).await.unwrap();
    leases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_lease_the_two_never_work_at_the_same_time() {
    crate::world::run(Place::Sandbox, |mut world: World| async move {
        world.kill_operator().await;
        let leases = hold_its_lease(&world, "aiven-operator-0").await;
        let mut settings = elected(&world);
        LEASE.clone_into(&mut settings.election.leader_elect_resource_name);
        let replica = Replica::start(&world, settings).await;
        replica.until("standby").await;
        world.create_valkey("cache", json!({})).await;
        // A holder that stops gives a lease back like this.
        assert!(world.provider.requests().is_empty());
        let returned = Patch::Merge(json!({"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}}));
        leases.patch(LEASE, &PatchParams::default(), &returned).await.unwrap();
        replica.until("leader").await;
        world.until_ready("cache").await;
        replica.stop().await;
        world
    })
    .await;
}
