//! Quorum durability: a write that enough replicas have confirmed is waited for, and a promise follows the number of
//! instances.

use crate::world::{World, named};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use valkeeper_testbed::node::NodeFault;

/// Ready, and this is promised.
fn promises(acknowledgments: u64, members: u64) -> impl Fn(&Value) -> bool {
    let wanted = json!({"acknowledgments": acknowledgments, "members": members});
    move |status| status["Ready"]["status"] == "True" && status["durability"] == wanted
}

async fn connect(world: &World) -> MultiplexedConnection {
    let client = redis::Client::open(world.url("trio", "leader").await).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// The primary loses its memory, the replica that confirmed the write does not answer, and the third one lacks it.
async fn confirmed_write_waits_for_the_instance_that_has_it(world: World) {
    world.create("trio", json!({"durability": "Quorum"})).await;
    let first = world.until_status("trio", "promised", promises(1, 3)).await;
    let primary = first["currentPrimary"].as_str().unwrap();
    let others: Vec<&str> =
        first["instances"].as_array().unwrap().iter().map(|seen| seen["name"].as_str().unwrap()).collect();
    let others: Vec<&str> = others.into_iter().filter(|name| *name != primary).collect();
    let (near, far) = (named(others[0]), named(others[1]));
    let mut client = connect(&world).await;
    world.nodes.inject(&NodeFault::Freeze(far.clone())).unwrap();
    // The one that stands still does not come back; the other one does.
    let _: i64 =
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "replica"]).query_async(&mut client).await.unwrap();
    crate::asking::until("the write", async || {
        redis::cmd("SET").arg(&["key", "promised"]).query_async::<()>(&mut client.clone()).await.ok()
    })
    .await;
    let confirmed: u64 = redis::cmd("WAIT").arg(&[1, 20_000]).query_async(&mut client).await.unwrap();
    assert_eq!(confirmed, 1);
    world.nodes.inject(&NodeFault::Freeze(near.clone())).unwrap();
    world.nodes.inject(&NodeFault::Kill(named(primary))).unwrap();
    world.nodes.inject(&NodeFault::Thaw(far)).unwrap();
    let waits = |status: &Value| {
        let message = status["Ready"]["message"].as_str().unwrap_or_default();
        status["Available"]["status"] == "False" && message.contains(&format!("Waiting for {},", near.name))
    };
    world.until_status("trio", "waiting for the one that has the write", waits).await;
    world.nodes.inject(&NodeFault::Thaw(near.clone())).unwrap();
    let healed = world.until_status("trio", "ready again", promises(1, 3)).await;
    assert_eq!(healed["currentPrimary"], *near.name);
    let found: Option<String> =
        redis::cmd("GET").arg("key").query_async(&mut connect(&world).await).await.unwrap();
    assert_eq!(found.as_deref(), Some("promised"));
}

async fn promise_follows_the_number_of_instances(world: World) {
    world.create("trio", json!({"durability": "Quorum"})).await;
    world.until_status("trio", "promised", promises(1, 3)).await;
    for (instances, acknowledgments) in [(5, 2), (3, 1)] {
        world.change("trio", json!({"instances": instances})).await;
        world.until_status("trio", "promised", promises(acknowledgments, instances)).await;
        let needed: Vec<String> = redis::cmd("CONFIG")
            .arg(&["GET", "min-replicas-to-write"])
            .query_async(&mut connect(&world).await)
            .await
            .unwrap();
        assert_eq!(needed[1], acknowledgments.to_string());
    }
    world.change("trio", json!({"durability": "BestEffort"})).await;
    world
        .until_status("trio", "not promised", |status| {
            status["durability"].is_null() && status["Ready"]["status"] == "True"
        })
        .await;
}

crate::scenarios!(
    promise_follows_the_number_of_instances;
    confirmed_write_waits_for_the_instance_that_has_it,
);
