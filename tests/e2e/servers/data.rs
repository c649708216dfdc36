//! What was written stays, moves along, and is gone when it should be.

use super::Cache;
use crate::world::{PROJECT, World, until};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_api::Kind;
use valkeeper_testbed::provider::ProviderHandle;

super::with_servers![
    data_survives_power_off_plan_cloud_and_operator_changes,
    without_persistence_power_off_loses_the_data,
    a_server_that_crashes_is_started_again,
    deleting_a_resource_ends_its_server,
    read_replica_follows_source_until_promotion,
    a_fork_starts_from_the_backup_it_names,
    a_password_reset_reaches_the_secret_and_the_old_one_fails,
    a_redis_becomes_a_valkey_with_its_data,
    backups_appear_over_time_and_are_limited_by_the_plan,
    users_of_the_provider_are_users_of_the_server,
    commands_of_the_platform_are_disabled_for_every_user,
    patterns_limit_channels_whatever_the_default_is,
];

async fn data_survives_power_off_plan_cloud_and_operator_changes(mut world: World) -> World {
    {
        let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
        cache.set("greeting", "hello").await;
        let secret = cache.secret().await;

        cache.patch(json!({"powered": false})).await;
        cache.until_ready("PoweredOff").await;
        assert!(cache.connect().await.is_err(), "there is no listener");
        cache.edit(json!({"powered": true})).await;
        assert_eq!(cache.get("greeting").await.as_deref(), Some("hello"), "after power off");

        for change in [json!({"plan": "business-8"}), json!({"cloudName": "aws-eu-west-1"})] {
            let run = cache.run_id().await;
            cache.edit(change).await;
            assert_ne!(cache.run_id().await, run, "other nodes");
            assert_eq!(cache.get("greeting").await.as_deref(), Some("hello"), "after a change");
        }
        let run = cache.run_id().await;
        cache.edit(json!({"userConfig": {"valkey_io_threads": 2}})).await;
        until(|| cache.run_id(), |now| *now != run).await;
        assert_eq!(cache.get("greeting").await.as_deref(), Some("hello"), "after a restart for a setting");
        assert_eq!(cache.secret().await, secret);
    }
    world.kill_operator().await;
    world.start_operator().await;
    let cache = Cache { world: &world, kind: Kind::Valkey, name: "cache" };
    cache.edit(json!({"userConfig": {"valkey_timeout": 5}})).await;
    until(|| cache.directive("timeout"), |timeout| timeout == "5").await;
    assert_eq!(cache.get("greeting").await.as_deref(), Some("hello"), "after a new operator");
    world
}

async fn without_persistence_power_off_loses_the_data(mut world: World) -> World {
    fn redis(world: &World) -> Cache<'_> {
        Cache { world, kind: Kind::Redis, name: "cache" }
    }
    let spec = json!({"userConfig": {"redis_persistence": "off"}});
    Cache::ready(&world, Kind::Redis, "cache", spec).await.set("greeting", "hello").await;
    redis(&world).edit(json!({"plan": "startup-8"})).await;
    assert_eq!(redis(&world).get("greeting").await.as_deref(), Some("hello"), "new nodes take over the data");
    // It would wait for a backup that never comes.
    world.kill_operator().await;
    for (powered, state) in [(false, "POWEROFF"), (true, "RUNNING")] {
        assert!(world.provider.set_powered(PROJECT, "cache", powered));
        until(|| async { world.service("cache").unwrap()["state"].clone() }, |now| now == state).await;
    }
    assert_eq!(redis(&world).get("greeting").await, None);
    world.start_operator().await;
    world
}

async fn a_server_that_crashes_is_started_again(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
    let run = cache.run_id().await;
    // The server does not answer this.
    let _ = cache.command_of_platform(&["SHUTDOWN", "SAVE"]).await;
    until(|| cache.run_id(), |now| *now != run).await;
    world
}

async fn deleting_a_resource_ends_its_server(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
    let info: String = cache.ask(&["INFO", "server"]).await;
    let process = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    let folder = cache.directive("dir").await;
    let process = std::path::PathBuf::from(format!("/proc/{process}"));
    assert!(process.exists() && std::path::Path::new(&folder).exists());
    cache.delete().await;
    until(|| async { process.exists() || std::path::Path::new(&folder).exists() }, |exists| !exists).await;
    world
}

async fn read_replica_follows_source_until_promotion(world: World) -> World {
    let source = Cache::ready(&world, Kind::Valkey, "source", json!({})).await;
    source.set("before", "1").await;
    source.back_up();
    let integration = json!([{"integrationType": "read_replica", "sourceServiceName": "source"}]);
    let replica =
        Cache::ready(&world, Kind::Valkey, "replica", json!({"serviceIntegrations": integration})).await;
    assert_eq!(replica.get("before").await.as_deref(), Some("1"), "a replica that runs is complete");
    source.set("after", "2").await;
    until(|| replica.get("after"), |value| value.as_deref() == Some("2")).await;
    let mut connection = replica.connect().await.unwrap();
    let refused = redis::cmd("SET").arg("key").arg("value").query_async::<()>(&mut connection).await;
    assert!(refused.unwrap_err().to_string().contains("read only"));

    // The source moves to other nodes and gets another password.
    source.edit(json!({"plan": "startup-8"})).await;
    assert!(world.provider.reset_password(PROJECT, "source"));
    source.set("moved", "3").await;
    until(|| replica.get("moved"), |value| value.as_deref() == Some("3")).await;

    source.delete().await;
    replica.set("alone", "4").await;
    assert_eq!(replica.get("moved").await.as_deref(), Some("3"));
    world
}

async fn a_fork_starts_from_the_backup_it_names(world: World) -> World {
    let source = Cache::ready(&world, Kind::Valkey, "source", json!({"plan": "business-4"})).await;
    source.set("age", "old").await;
    let old = source.back_up();
    until(|| async { backup_size(&world.provider, "source", &old) }, |size| *size < 1024).await;
    source.set("age", "new").await;
    let new = source.back_up();
    until(|| async { backup_size(&world.provider, "source", &new) }, |size| *size < 1024).await;
    source.set("age", "newest").await;

    let fork = |config: Value| json!({"userConfig": config});
    let latest =
        Cache::ready(&world, Kind::Valkey, "latest", fork(json!({"service_to_fork_from": "source"}))).await;
    assert_eq!(latest.get("age").await.as_deref(), Some("new"));
    let config = json!({"service_to_fork_from": "source", "recovery_basebackup_name": old});
    let named = Cache::ready(&world, Kind::Valkey, "named", fork(config)).await;
    assert_eq!(named.get("age").await.as_deref(), Some("old"));
    assert_eq!(source.get("age").await.as_deref(), Some("newest"));
    world
}

/// Size of a backup; a made-up one until its file is there, and those are large.
fn backup_size(provider: &ProviderHandle, service: &str, name: &str) -> u64 {
    let service = provider.service(PROJECT, service).unwrap();
    let backups = service["backups"].as_array().unwrap();
    let backup = backups.iter().find(|backup| backup["backup_name"] == name).unwrap();
    backup["data_size"].as_u64().unwrap()
}

async fn a_password_reset_reaches_the_secret_and_the_old_one_fails(world: World) -> World {
    for (kind, name) in [(Kind::Valkey, "first"), (Kind::Redis, "second")] {
        let cache = Cache::ready(&world, kind, name, json!({})).await;
        cache.set("greeting", "hello").await;
        let before = cache.secret().await;
        assert!(world.provider.reset_password(PROJECT, name));
        let after = until(|| cache.secret(), |secret| secret["PASSWORD"] != before["PASSWORD"]).await;
        assert_eq!(cache.get("greeting").await.as_deref(), Some("hello"));
        let authority = world.provider.certificate_authority().unwrap();
        let refused = super::cache::connect(&before, &authority)
            .await
            .map(drop)
            .expect_err("the old password is refused");
        assert_eq!(refused.kind(), redis::ErrorKind::AuthenticationFailed);
        assert!(super::cache::connect(&after, &authority).await.is_ok());
    }
    world
}

async fn a_redis_becomes_a_valkey_with_its_data(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Redis, "cache", json!({"userConfig": {"redis_timeout": 9}})).await;
    cache.set("greeting", "hello").await;
    let info: String = cache.ask(&["INFO", "server"]).await;
    assert!(!info.contains("valkey_version"));
    let url = format!("{}/v1/project/{PROJECT}/service/cache/service_type", world.provider_url());
    let request = reqwest::Client::new().patch(url).bearer_auth(crate::world::token());
    let response = request.json(&json!({"service_type": "valkey"})).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    until(|| async { world.service("cache").unwrap()["state"].clone() }, |state| state == "RUNNING").await;
    let info: String = cache.ask(&["INFO", "server"]).await;
    let version =
        info.lines().find_map(|line| line.strip_prefix("valkey_version:")).expect("a Valkey server");
    assert_eq!(world.service("cache").unwrap()["metadata"]["valkey_version"], version);
    assert_eq!(cache.get("greeting").await.as_deref(), Some("hello"), "name, port and password stay");
    assert_eq!(cache.directive("timeout").await, "9");
    world
}

async fn backups_appear_over_time_and_are_limited_by_the_plan(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
    let backups = || async { world.service("cache").unwrap()["backups"].as_array().unwrap().clone() };
    until(backups, |backups| backups.len() == 1).await;
    world.provider.advance(Duration::from_hours(25));
    let kept = until(backups, |backups| backups.len() == 2).await;
    let url = format!("{}/v1/project/{PROJECT}/service/cache/backups", world.provider_url());
    let request = reqwest::Client::new().get(url).bearer_auth(crate::world::token());
    let listed: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["backups"][0]["backup_name"], kept[0]["backup_name"]);
    let data = cache.directive("dir").await;
    let folder = std::path::Path::new(&data).with_file_name("backups");
    until(|| async { std::fs::read_dir(&folder).unwrap().count() }, |count| *count == 2).await;
    world
}

async fn users_of_the_provider_are_users_of_the_server(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
    let url =
        format!("{}/v1/project/{PROJECT}/service/cache/user?include_secrets=true", world.provider_url());
    let access = json!({
        "valkey_acl_categories": ["+@read"], "valkey_acl_commands": ["+set"], "valkey_acl_keys": ["app:*"],
        "valkey_acl_channels": [],
    });
    let request = reqwest::Client::new().post(url).bearer_auth(crate::world::token());
    let request = request.json(&json!({"username": "app", "access_control": access}));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let mut secret = cache.secret().await;
    secret.insert("USER".to_owned(), "app".to_owned());
    secret.insert("PASSWORD".to_owned(), answer["user"]["password"].as_str().unwrap().to_owned());
    let authority = world.provider.certificate_authority().unwrap();
    let try_it = || async {
        super::cache::connect(&secret, &authority).await.map(drop).map_err(|error| error.to_string())
    };
    until(try_it, Result::is_ok).await.unwrap();
    let mut connection = super::cache::connect(&secret, &authority).await.unwrap();
    redis::cmd("SET").arg("app:1").arg("x").query_async::<()>(&mut connection).await.unwrap();
    let refused = redis::cmd("GET").arg("other").query_async::<()>(&mut connection).await.unwrap_err();
    assert!(
        refused.to_string().contains("NOPERM") || refused.to_string().contains("permission"),
        "{refused}"
    );
    world
}

async fn commands_of_the_platform_are_disabled_for_every_user(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
    let mut connection = cache.connect().await.unwrap();
    for words in [
        &["ACL", "WHOAMI"][..],
        &["BGREWRITEAOF"],
        &["BGSAVE"],
        &["CLUSTER", "INFO"],
        &["CONFIG", "GET", "maxmemory"],
        &["DEBUG", "JMAP"],
        &["FAILOVER"],
        &["LASTSAVE"],
        &["MIGRATE", "localhost", "1", "key", "0", "1"],
        &["MONITOR"],
        &["REPLICAOF", "NO", "ONE"],
        &["SAVE"],
        &["SHUTDOWN", "NOSAVE"],
        &["SLAVEOF", "NO", "ONE"],
    ] {
        let mut command = redis::Cmd::new();
        command.arg(words);
        let refused = command.query_async::<redis::Value>(&mut connection).await.unwrap_err().to_string();
        let disabled = ["NOPERM", "permission", "not allowed"].iter().any(|word| refused.contains(word));
        assert!(disabled, "{words:?}: {refused}");
    }
    assert_eq!(cache.ask::<String>(&["PING"]).await, "PONG");
    world
}

async fn patterns_limit_channels_whatever_the_default_is(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
    let url = format!("{}/v1/project/{PROJECT}/service/cache/user", world.provider_url());
    let access = json!({"valkey_acl_categories": ["+@all"], "valkey_acl_channels": ["news:*"]});
    let request = reqwest::Client::new().post(url).bearer_auth(crate::world::token());
    let request = request.json(&json!({"username": "app", "access_control": access}));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let mut secret = cache.secret().await;
    secret.insert("USER".to_owned(), "app".to_owned());
    secret.insert("PASSWORD".to_owned(), answer["user"]["password"].as_str().unwrap().to_owned());
    let authority = world.provider.certificate_authority().unwrap();
    let try_it = || async {
        super::cache::connect(&secret, &authority).await.map(drop).map_err(|error| error.to_string())
    };
    until(try_it, Result::is_ok).await.unwrap();
    let mut connection = super::cache::connect(&secret, &authority).await.unwrap();
    redis::cmd("PUBLISH").arg("news:1").arg("x").query_async::<()>(&mut connection).await.unwrap();
    let refused = redis::cmd("PUBLISH").arg("other").arg("x").query_async::<()>(&mut connection).await;
    assert!(refused.is_err());
    world
}
