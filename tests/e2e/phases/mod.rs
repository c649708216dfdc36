//! Every phase of a life, as people and tools read it: what `kubectl` shows is kept in `tests/e2e/golden`, and
//! what Argo CD and Flux make of it stands next to each phase. After a change of texts, read the difference that
//! `UPDATE_GOLDEN=1 cargo test --test e2e phases::on_the_sandbox` makes as a user would.

mod objects;
mod snapshot;
mod tools;

use self::{
    objects::{annotate, create, delete, edit, secret},
    snapshot::Reader,
    tools::Seen,
};
use crate::leaks::confidential;
use crate::world::{PROJECT, World, until};
use serde_json::json;
use std::time::Duration;
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    the_life_of_a_valkey,
    what_stops_a_valkey_before_it_exists,
    the_life_of_a_project_vpc;
    what_befalls_a_valkey_that_runs,
    the_life_of_a_redis,
];

const BUSY: Seen = Seen { argo: "Progressing", flux: "InProgress" };
const WELL: Seen = Seen { argo: "Healthy", flux: "Current" };
const STUCK: Seen = Seen { argo: "Degraded", flux: "Failed" };
const PAUSED: Seen = Seen { argo: "Suspended", flux: "Current" };
const GOING: Seen = Seen { argo: "Progressing", flux: "Terminating" };

/// Longer than any scenario: the scenario ends what takes time at the provider.
const LONG: Duration = Duration::from_hours(5);

fn hold_still(world: &World) {
    world.provider.set_build_time(LONG);
    world.provider.set_power_off_time(LONG);
    world.provider.set_vpc_time(LONG);
    world.provider.set_backup_after(LONG);
}

fn finish(world: &World, name: &str) {
    assert!(world.provider.finish_transition(PROJECT, name));
}

async fn the_life_of_a_valkey(mut world: World) -> World {
    hold_still(&world);
    world.kill_operator().await;
    create(&world, "Valkey", "cache", json!({})).await;
    if let Some(reader) = Reader::new(&world) {
        reader.sees("valkey/unseen", "valkey/cache", BUSY).await;
    }
    world.start_operator().await;
    let Some(reader) = Reader::new(&world) else { return world };
    reader.sees("valkey/building", "valkey/cache", BUSY).await;
    finish(&world, "cache");
    reader.sees("valkey/ready", "valkey/cache", WELL).await;

    edit(&world, "valkey/cache", json!({"plan": "business-4"})).await;
    reader.sees("valkey/rebuilding", "valkey/cache", BUSY).await;
    finish(&world, "cache");
    reader.sees("valkey/rebuilt", "valkey/cache", WELL).await;

    edit(&world, "valkey/cache", json!({"powered": false})).await;
    reader.sees("valkey/waiting-for-backup", "valkey/cache", BUSY).await;
    assert!(world.provider.take_backup(PROJECT, "cache"));
    reader.sees("valkey/powering-off", "valkey/cache", BUSY).await;
    finish(&world, "cache");
    reader.sees("valkey/powered-off", "valkey/cache", WELL).await;
    edit(&world, "valkey/cache", json!({"powered": true})).await;
    reader.sees("valkey/powering-on", "valkey/cache", BUSY).await;
    finish(&world, "cache");
    reader.sees("valkey/powered-on", "valkey/cache", WELL).await;

    edit(&world, "valkey/cache", json!({"terminationProtection": true})).await;
    world.until_ready("cache").await;
    delete(&world, "valkey/cache").await;
    reader.sees("valkey/deletion-protected", "valkey/cache", GOING).await;
    let delete = Matcher::new(Some("DELETE"), "/service/cache$").unwrap();
    world.provider.fail_next(delete, 1000, Fault::status(409, "Service is in use"));
    edit(&world, "valkey/cache", json!({"terminationProtection": false})).await;
    reader.sees("valkey/deletion-refused", "valkey/cache", GOING).await;
    world.provider.clear_faults();
    // The provider accepts, and the service still exists.
    let delete = Matcher::new(Some("DELETE"), "/service/cache$").unwrap();
    world.provider.fail_next(delete, 1000, Fault::status(200, "deleted"));
    reader.sees("valkey/deleting", "valkey/cache", GOING).await;
    world.provider.clear_faults();
    world.until_gone("cache").await;
    world
}

async fn what_stops_a_valkey_before_it_exists(world: World) -> World {
    let Some(reader) = Reader::new(&world) else { return world };
    hold_still(&world);
    world.set_token("old-token", "token", &confidential("no-longer-valid")).await;
    let service = |name: &str, kind: &str| json!({"service_name": name, "service_type": kind, "plan": "startup-4", "cloud": "google-europe-west1"});
    for (name, kind) in [("name-taken", "valkey"), ("other-type", "redis")] {
        world.ask_provider("POST", &format!("/v1/project/{PROJECT}/service"), service(name, kind)).await;
    }
    for (name, spec, seen) in [
        ("token-missing", json!({"authSecretRef": {"name": "missing", "key": "token"}}), STUCK),
        ("token-rejected", json!({"authSecretRef": {"name": "old-token", "key": "token"}}), STUCK),
        ("bad-plan", json!({"plan": "startup-999"}), STUCK),
        ("name-taken", json!({}), STUCK),
        ("other-type", json!({}), STUCK),
        ("invalid", json!({"userConfig": {"ip_filter": [{"network": "10.0.0.0/99"}]}}), STUCK),
        ("token-as-target", json!({"connInfoSecretTarget": {"name": "aiven-token"}}), STUCK),
        ("without-vpc", json!({"projectVPCRef": {"name": "net"}}), BUSY),
        ("without-source", json!({"userConfig": {"service_to_fork_from": "missing"}}), BUSY),
    ] {
        create(&world, "Valkey", name, spec).await;
        reader.sees(&format!("valkey/{name}"), &format!("valkey/{name}"), seen).await;
    }
    world
}

async fn what_befalls_a_valkey_that_runs(world: World) -> World {
    let Some(reader) = Reader::new(&world) else { return world };
    world.provider.set_backup_after(LONG);
    secret(&world, "secret-taken").await;
    world.create_valkey("secret-taken", json!({})).await;
    reader.sees("valkey/secret-taken", "valkey/secret-taken", STUCK).await;

    for name in ["vanished", "drifted", "paused", "edited-wrongly", "policy-unknown"] {
        world.ready_valkey(name, json!({})).await;
    }
    assert!(world.provider.delete_service(PROJECT, "vanished"));
    reader.sees("valkey/vanished", "valkey/vanished", STUCK).await;

    edit(&world, "valkey/drifted", json!({"driftPolicy": "Report"})).await;
    world.until_ready("drifted").await;
    // No reader sees it being rebuilt.
    world.provider.set_build_time(Duration::ZERO);
    assert!(world.provider.set_plan(PROJECT, "drifted", "business-4"));
    reader.sees("valkey/drifted", "valkey/drifted", WELL).await;
    world.provider.set_build_time(Duration::from_millis(300));

    annotate(&world, "valkey/paused", json!({"valkeeper.io/paused": "true"})).await;
    reader.sees("valkey/paused", "valkey/paused", PAUSED).await;

    edit(&world, "valkey/edited-wrongly", json!({"plan": "startup-999"})).await;
    reader.sees("valkey/edited-wrongly", "valkey/edited-wrongly", STUCK).await;

    annotate(&world, "valkey/policy-unknown", json!({"controllers.aiven.io/deletion-policy": "orphan"}))
        .await;
    delete(&world, "valkey/policy-unknown").await;
    reader.sees("valkey/policy-unknown", "valkey/policy-unknown", GOING).await;

    world.ready_valkey("outage", json!({})).await;
    let everything = Matcher::new(None, "/service/outage").unwrap();
    world.provider.fail_next(everything, 1000, Fault::status(503, "maintenance"));
    reader.sees("valkey/outage", "valkey/outage", WELL).await;
    world.provider.clear_faults();

    world.ready_valkey("token-revoked", json!({})).await;
    world.provider.revoke_token("e2e");
    reader.sees("valkey/token-revoked", "valkey/token-revoked", STUCK).await;
    world
}

async fn the_life_of_a_redis(world: World) -> World {
    let Some(reader) = Reader::new(&world) else { return world };
    hold_still(&world);
    create(&world, "Redis", "cache", json!({})).await;
    reader.sees("redis/building", "redis/cache", BUSY).await;
    finish(&world, "cache");
    reader.sees("redis/ready", "redis/cache", WELL).await;
    assert!(world.provider.migrate_to_valkey(PROJECT, "cache"));
    finish(&world, "cache");
    reader.sees("redis/turned-into-valkey", "redis/cache", STUCK).await;
    world
}

async fn the_life_of_a_project_vpc(world: World) -> World {
    let Some(reader) = Reader::new(&world) else { return world };
    hold_still(&world);
    let network = |cidr: &str| json!({"networkCidr": cidr, "plan": null});
    create(&world, "ProjectVPC", "refused", network("10.0.0.0/8")).await;
    reader.sees("projectvpc/refused", "projectvpc/refused", STUCK).await;
    create(&world, "ProjectVPC", "net", network("10.0.0.0/24")).await;
    reader.sees("projectvpc/building", "projectvpc/net", BUSY).await;
    world.provider.advance(LONG);
    reader.sees("projectvpc/ready", "projectvpc/net", WELL).await;

    create(&world, "ProjectVPC", "taken", network("10.0.0.0/24")).await;
    reader.sees("projectvpc/taken", "projectvpc/taken", STUCK).await;

    world.create_valkey("cache", json!({"projectVPCRef": {"name": "net"}})).await;
    until(|| async { world.service("cache") }, Option::is_some).await;
    finish(&world, "cache");
    reader.sees("valkey/in-a-vpc", "valkey/cache", WELL).await;
    delete(&world, "projectvpc/net").await;
    reader.sees("projectvpc/in-use", "projectvpc/net", GOING).await;
    delete(&world, "valkey/cache").await;
    world.until_gone("cache").await;
    // The provider takes the nodes out of it.
    world.provider.advance(LONG);
    reader.sees("projectvpc/deleting", "projectvpc/net", GOING).await;
    world.provider.advance(LONG);
    let vpcs = world.vpcs();
    until(|| async { vpcs.get_opt("net").await.unwrap() }, Option::is_none).await;
    world
}
