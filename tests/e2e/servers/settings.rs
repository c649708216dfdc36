//! Every setting of a resource, read back from the server itself.

use super::{Cache, cache::connect};
use crate::world::{World, until};
use serde_json::{Value, json};
use valkeeper_api::Kind;

super::with_servers![
    every_setting_of_a_valkey_is_the_servers,
    every_setting_of_a_redis_is_the_servers,
    the_plan_is_the_limit_of_memory,
    without_tls_the_secret_leads_to_the_plain_port,
    an_address_outside_of_the_filter_is_cut_off,
    tls_is_verified_against_the_authority_of_the_provider,
];

/// Settings without their prefix, and the directive each is read back from: first and second value.
fn settings() -> Vec<(&'static str, Value, Value, &'static str, [&'static str; 2])> {
    vec![
        (
            "maxmemory_policy",
            json!("allkeys-lru"),
            json!("volatile-ttl"),
            "maxmemory-policy",
            ["allkeys-lru", "volatile-ttl"],
        ),
        ("io_threads", json!(2), json!(3), "io-threads", ["2", "3"]),
        ("number_of_databases", json!(20), json!(33), "databases", ["20", "33"]),
        ("timeout", json!(77), json!(0), "timeout", ["77", "0"]),
        ("notify_keyspace_events", json!("Ex"), json!("K$"), "notify-keyspace-events", ["xE", "$K"]),
        ("lfu_decay_time", json!(2), json!(120), "lfu-decay-time", ["2", "120"]),
        ("lfu_log_factor", json!(11), json!(0), "lfu-log-factor", ["11", "0"]),
        ("persistence", json!("rdb"), json!("off"), "save", ["600 1", ""]),
        (
            "acl_channels_default",
            json!("resetchannels"),
            json!("allchannels"),
            "acl-pubsub-default",
            ["resetchannels", "allchannels"],
        ),
        (
            "pubsub_client_output_buffer_limit",
            json!(64),
            json!(512),
            "client-output-buffer-limit",
            ["pubsub 67108864 16777216 60", "pubsub 536870912 134217728 60"],
        ),
    ]
}

async fn every_setting_is_the_servers(cache: &Cache<'_>, prefix: &str) {
    for round in [0, 1] {
        let chosen = settings().into_iter().map(|(key, first, second, ..)| {
            (format!("{prefix}_{key}"), if round == 0 { first } else { second })
        });
        let config: serde_json::Map<String, Value> = chosen.collect();
        cache.edit(json!({"userConfig": config})).await;
        for (key, .., directive, values) in settings() {
            // The limit of subscribers is the last of three limits that one directive holds.
            let matches = |value: &String| {
                if directive == "client-output-buffer-limit" {
                    value.ends_with(values[round])
                } else {
                    value == values[round]
                }
            };
            until(|| async { (key, cache.directive(directive).await) }, |(_, value)| matches(value)).await;
        }
    }
}

async fn every_setting_of_a_valkey_is_the_servers(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
    every_setting_is_the_servers(&cache, "valkey").await;
    let effort = json!({"userConfig": {"valkey_active_expire_effort": 7, "valkey_activedefrag": true}});
    cache.edit(effort).await;
    until(|| cache.directive("active-expire-effort"), |value| value == "7").await;
    // Debian's build cannot defragment memory: the server itself refuses it for every client.
    let refused = cache.command_of_platform(&["CONFIG", "SET", "activedefrag", "yes"]).await;
    let expected = if refused.is_ok() { "yes" } else { "no" };
    until(|| cache.directive("activedefrag"), |value| value == expected).await;
    world
}

async fn every_setting_of_a_redis_is_the_servers(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Redis, "cache", json!({})).await;
    every_setting_is_the_servers(&cache, "redis").await;
    world
}

async fn the_plan_is_the_limit_of_memory(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({"plan": "startup-4"})).await;
    let part_of = |gib: u64| ((gib << 30) / 100 * 70).to_string();
    assert_eq!(cache.directive("maxmemory").await, part_of(4));
    cache.edit(json!({"plan": "startup-8"})).await;
    assert_eq!(cache.directive("maxmemory").await, part_of(8));
    world
}

async fn without_tls_the_secret_leads_to_the_plain_port(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Redis, "cache", json!({})).await;
    cache.set("greeting", "hello").await;
    let encrypted = cache.secret().await;
    cache.edit(json!({"userConfig": {"redis_ssl": false}})).await;
    let plain = until(|| cache.secret(), |secret| secret["PORT"] != encrypted["PORT"]).await;
    assert_ne!(plain["SSL"], "required");
    assert_eq!(cache.get("greeting").await.as_deref(), Some("hello"));
    assert_ne!(cache.directive("port").await, "0");
    cache.edit(json!({"userConfig": {"redis_ssl": true}})).await;
    until(|| cache.secret(), |secret| *secret == encrypted).await;
    until(|| cache.directive("port"), |port| port == "0").await;
    world
}

async fn an_address_outside_of_the_filter_is_cut_off(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
    let mut connected = cache.connect().await.unwrap();
    cache.edit(json!({"userConfig": {"ip_filter": [{"network": "10.0.0.0/8"}]}})).await;
    until(|| async { cache.connect().await.is_err() }, |refused| *refused).await;
    let refused: Result<String, _> = redis::cmd("PING").query_async(&mut connected).await;
    assert!(refused.is_err(), "a connection from before is cut too");
    cache
        .edit(json!({"userConfig": {"ip_filter": [{"network": "127.0.0.0/8"}, {"network": "::1/128"}]}}))
        .await;
    assert_eq!(cache.ask::<String>(&["PING"]).await, "PONG");
    world
}

async fn tls_is_verified_against_the_authority_of_the_provider(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", json!({})).await;
    assert_eq!(cache.ask::<String>(&["PING"]).await, "PONG");
    let other =
        valkeeper_testbed::provider::ProviderServer::start(valkeeper_testbed::provider::ProviderOptions {
            engine: valkeeper_testbed::provider::Engine::Process {
                binaries: super::binaries().unwrap(),
                data: None,
            },
            ..Default::default()
        });
    let stranger = other.await.unwrap().handle().certificate_authority().unwrap();
    let refused = connect(&cache.secret().await, &stranger).await;
    let reason = refused.map(drop).expect_err("a stranger's certificate is refused").to_string();
    assert!(reason.contains("certificate"), "{reason}");
    world
}
