//! A user of a service as a program sees it that knows only the Secret of the user.

use crate::world::World;
use redis::{Client, ConnectionInfo, IntoConnectionInfo as _, RedisResult, TlsCertificates};
use serde_json::json;

super::with_servers![user_does_what_it_may_with_its_secret];

async fn user_does_what_it_may_with_its_secret(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let rules = json!({
        "valkeyAclCategories": ["+@read", "+@write"], "valkeyAclKeys": ["shop:*"], "valkeyAclChannels": ["shop:*"],
    });
    world.create_user("shop", json!({"accessControl": rules})).await;
    world.until_user("shop", "Running").await;
    assert_eq!(ask(&world, &["SET", "shop:greeting", "hello"]).await.unwrap(), "OK");
    assert_eq!(ask(&world, &["GET", "shop:greeting"]).await.unwrap(), "hello");
    for refused in [["GET", "other"], ["CONFIG", "RESETSTAT"]] {
        let error = ask(&world, &refused).await.unwrap_err().to_string();
        assert!(error.contains("No permissions") || error.contains("no permissions"), "{error}");
    }
    world
}

/// The answer to a command, over the connection that the Secret describes, with its certificate of the authority.
async fn ask(world: &World, command: &[&str]) -> RedisResult<String> {
    let secret = world.secret("shop").await;
    let part = |key: &str| &secret[&format!("SERVICEUSER_{key}")];
    let access =
        redis::RedisConnectionInfo::default().set_username(part("USERNAME")).set_password(part("PASSWORD"));
    let url = format!("rediss://{}:{}/", part("HOST"), part("PORT"));
    let info: ConnectionInfo = url.into_connection_info()?.set_redis_settings(access);
    let root_cert = Some(part("CA_CERT").clone().into_bytes());
    let client = Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let (name, arguments) = command.split_first().unwrap();
    redis::cmd(name).arg(arguments).query_async(&mut connection).await
}
