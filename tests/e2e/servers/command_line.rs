//! The programs that users have, started with the values of the Secret.

use super::Cache;
use crate::world::World;
use serde_json::json;
use tokio::process::Command;
use valkeeper_api::Kind;
use valkeeper_testbed::tools;

super::with_servers![the_clients_of_valkey_and_redis_connect_with_the_secret];

async fn the_clients_of_valkey_and_redis_connect_with_the_secret(world: World) -> World {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, world.provider.certificate_authority().unwrap()).unwrap();
    for (kind, tool, variable) in
        [(Kind::Valkey, tools::VALKEY_CLI, "REDISCLI_AUTH"), (Kind::Redis, tools::REDIS_CLI, "REDISCLI_AUTH")]
    {
        let Some(program) = tool.or_skip() else { continue };
        let cache = Cache::ready(&world, kind, tool.name, json!({})).await;
        let secret = cache.secret().await;
        assert_eq!(secret["SSL"], "required");
        for (command, expected) in
            [(&["SET", "greeting", "hello"][..], "OK"), (&["GET", "greeting"], "hello")]
        {
            let output = Command::new(&program)
                .args(["-h", &secret["HOST"], "-p", &secret["PORT"], "--user", &secret["USER"]])
                .args(["--tls", "--cacert", authority.to_str().unwrap()])
                .args(command)
                .env(variable, &secret["PASSWORD"])
                .output()
                .await
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{}: {output:?}", tool.name);
        }
    }
    world
}
