//! The recipes of the page about the connection Secret, taken from there and run: programs that see the Secret
//! as a pod does, in their environment or as files, and connect to a real server with TLS.

mod mounted;
mod program;
mod rust_recipe;

use self::{mounted::Volume, program::Program};
use super::Cache;
use crate::world::{PROJECT, World, until};
use serde_json::json;
use std::path::Path;
use valkeeper_api::Kind;
use valkeeper_testbed::recipes::code_below;

super::with_servers![
    clients_connect_with_the_uri_of_the_secret,
    programs_with_mounted_files_survive_a_password_reset,
];

/// The page.
fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/connection-secret.md");
    std::fs::read_to_string(path).unwrap()
}

/// The code below the heading of a library.
fn recipe(library: &str) -> String {
    code_below(&page(), library).unwrap().to_owned()
}

/// The client of a library in the table.
fn client_of_the_uri(library: &str) -> String {
    let page = page();
    let row = page.lines().find(|line| line.starts_with(&format!("| {library} | `"))).unwrap();
    row.split('`').nth(1).unwrap().to_owned()
}

async fn clients_connect_with_the_uri_of_the_secret(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", with_uri()).await;
    let authority = world.provider.certificate_authority().unwrap();
    for mut program in Program::from_environment(&authority, &cache.secret().await["URI"]) {
        assert_eq!(program.ask("hello").await, "hello", "{}", program.library);
        assert_eq!(cache.get(program.library).await.as_deref(), Some("hello"));
    }
    world
}

async fn programs_with_mounted_files_survive_a_password_reset(world: World) -> World {
    let cache = Cache::ready(&world, Kind::Valkey, "cache", with_uri()).await;
    let authority = world.provider.certificate_authority().unwrap();
    let secrets = world.secrets();
    let volume = Volume::of(&secrets.get("cache").await.unwrap());
    let mut programs = Program::from_files(&authority, volume.path());
    for program in &mut programs {
        assert_eq!(program.ask("before").await, "before", "{}", program.library);
        assert_eq!(cache.get(program.library).await.as_deref(), Some("before"));
    }

    let before = cache.secret().await;
    assert!(world.provider.reset_password(PROJECT, "cache"));
    until(|| cache.secret(), |secret| secret["PASSWORD"] != before["PASSWORD"]).await;
    // As long as the kubelet has not been here, only connections that are open work.
    for program in &mut programs {
        let answer = program.ask("refused").await;
        assert!(answer.starts_with("error"), "{} did not need the new password: {answer}", program.library);
    }
    volume.update(&secrets.get("cache").await.unwrap());
    for program in &mut programs {
        program.until("after").await;
        assert_eq!(cache.get(program.library).await.as_deref(), Some("after"));
    }
    world
}

fn with_uri() -> serde_json::Value {
    json!({"connInfoSecretTarget": {"name": "cache", "extraKeys": ["URI"]}})
}
