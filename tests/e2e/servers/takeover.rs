//! A takeover as a program sees it that knows only the Secret.

use super::cache::Cache;
use crate::world::World;
use serde_json::json;
use valkeeper_api::Kind;

super::with_servers![client_of_the_secret_keeps_working_through_a_takeover];

/// The Secret is there at every moment, and leads to the data.
async fn client_of_the_secret_keeps_working_through_a_takeover(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Redis, "cache", json!({})).await;
    cache.set("greeting", "hello").await;
    cache.back_up();
    let before = cache.secret().await;
    let reads = async {
        loop {
            assert_eq!(cache.secret().await, before);
            assert_eq!(cache.get("greeting").await.as_deref(), Some("hello"));
        }
    };
    let takeover = async {
        let from = json!({"migrateFrom": {"redis": "cache"}});
        Cache::ready(&world, Kind::Valkey, "cache", from).await;
        cache.delete().await;
    };
    tokio::select! {
        () = reads => {}
        () = takeover => {}
    }
    assert_eq!(cache.secret().await, before);
    assert_eq!(cache.get("greeting").await.as_deref(), Some("hello"));
    let info: String = cache.ask(&["INFO", "server"]).await;
    assert!(info.contains("valkey_version"), "{info}");
    world
}
