//! Data that comes from an external server, and the provider's reports meanwhile.

use super::Cache;
use crate::world::{PROJECT, World, until};
use serde_json::{Value, json};
use valkeeper_api::Kind;

super::with_servers![
    a_migration_by_dump_copies_the_keys_and_ends,
    a_migration_by_replication_follows_until_it_is_removed,
    migration_without_connection_is_reported,
];

/// The settings of a migration from `source`, with its password in a Secret as the documentation advises.
async fn migration_from(world: &World, source: &Cache<'_>, method: &str) -> Value {
    let secret = source.secret().await;
    world.set_token("old-server", "password", &secret["PASSWORD"]).await;
    json!({
        "migrationSecretSource": {"name": "old-server", "key": "password"},
        "userConfig": {"migration": {
            "host": secret["HOST"], "port": secret["PORT"].parse::<u16>().unwrap(), "username": secret["USER"],
            "ssl": secret["SSL"] == "required", "method": method, "ignore_dbs": "3",
        }},
    })
}

/// The provider's answer about the migration, as any client gets it.
async fn progress(world: &World, service: &str) -> (u16, Value) {
    let url = format!("{}/v1/project/{PROJECT}/service/{service}/migration", world.provider_url());
    let request = reqwest::Client::new().get(url).bearer_auth(crate::world::token());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn a_migration_by_dump_copies_the_keys_and_ends(world: World) -> World {
    let source =
        Cache::ready(&world, Kind::Redis, "source", json!({"userConfig": {"redis_ssl": false}})).await;
    let mut connection = source.connect().await.unwrap();
    let mut fill = redis::pipe();
    for number in 0..1_500 {
        fill.cmd("SET").arg(format!("key-{number}")).arg(number).ignore();
    }
    fill.cmd("EXPIRE").arg("key-0").arg(10_000).ignore();
    fill.cmd("SELECT")
        .arg(2)
        .ignore()
        .cmd("HSET")
        .arg("hash")
        .arg("field")
        .arg(b"\x00\xff".as_slice())
        .ignore();
    fill.cmd("SELECT").arg(3).ignore().cmd("SET").arg("ignored").arg("x").ignore();
    fill.query_async::<()>(&mut connection).await.unwrap();

    let target = Cache::ready(&world, Kind::Valkey, "target", json!({})).await;
    assert_eq!(progress(&world, "target").await.0, 404, "none is active");
    target.edit(migration_from(&world, &source, "dump").await).await;
    let done = |answer: &(u16, Value)| answer.1["migration"]["status"] == "done";
    let (status, answer) = until(|| progress(&world, "target"), done).await;
    assert_eq!((status, &answer["migration"]["method"]), (200, &json!("scan")));
    assert_eq!(answer["migration_detail"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(target.ask::<u64>(&["DBSIZE"]).await, 1_500);
    assert!(target.ask::<i64>(&["TTL", "key-0"]).await > 9_000);
    let keyspace: String = target.ask(&["INFO", "keyspace"]).await;
    assert!(keyspace.contains("db2:keys=1") && !keyspace.contains("db3"), "{keyspace}");
    target.set("key-1", "changed").await;
    target.edit(json!({"userConfig": {"valkey_io_threads": 2}})).await;
    until(|| target.directive("io-threads"), |threads| threads == "2").await;
    assert_eq!(target.get("key-1").await.as_deref(), Some("changed"), "it is not copied again");
    world
}

async fn a_migration_by_replication_follows_until_it_is_removed(world: World) -> World {
    let source = Cache::ready(&world, Kind::Redis, "source", json!({})).await;
    source.set("before", "1").await;
    let target = Cache::ready(&world, Kind::Valkey, "target", json!({})).await;
    target.edit(migration_from(&world, &source, "replication").await).await;
    let done = |answer: &(u16, Value)| answer.1["migration"]["status"] == "done";
    let (_, answer) = until(|| progress(&world, "target"), done).await;
    assert_eq!(answer["migration"]["master_link_status"], "up");
    assert_eq!(target.get("before").await.as_deref(), Some("1"));
    source.set("during", "2").await;
    until(|| target.get("during"), |value| value.as_deref() == Some("2")).await;
    target.edit(json!({"userConfig": {"migration": null}})).await;
    until(|| progress(&world, "target"), |(status, _)| *status == 404).await;
    target.set("own", "3").await;
    source.set("afterwards", "4").await;
    assert_eq!(target.get("during").await.as_deref(), Some("2"));
    assert_eq!(target.get("afterwards").await, None);
    world
}

async fn migration_without_connection_is_reported(world: World) -> World {
    let target = Cache::ready(&world, Kind::Valkey, "target", json!({})).await;
    for (method, reported) in [("dump", "scan"), ("replication", "replication")] {
        let source =
            json!({"host": "localhost", "port": 1, "ssl": false, "method": method, "password": "hunter2"});
        target.edit(json!({"userConfig": {"migration": source}})).await;
        let failed = |answer: &(u16, Value)| {
            answer.1["migration"]["status"] == "failed" && answer.1["migration"]["method"] == reported
        };
        let (_, answer) = until(|| progress(&world, "target"), failed).await;
        let error = answer["migration"]["error"].as_str().unwrap();
        assert!(error.contains("Could not connect") && !error.contains("hunter2"), "{error}");
    }
    world
}
