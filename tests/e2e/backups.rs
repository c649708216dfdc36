//! The backups of a service, as `kubectl valkeeper backups` lists them.

use crate::{
    inspect::Inspector,
    world::{PROJECT, World, until},
};
use serde_json::json;

crate::scenarios![backups_of_a_service_are_listed];

async fn backups_of_a_service_are_listed(world: World) -> World {
    let inspector = Inspector::new(&world);
    world.provider.set_backup_after(std::time::Duration::from_hours(5));
    world.ready_valkey("cache", json!({})).await;
    let (code, text, _) = inspector.run(&["backups", "cache"]).await;
    assert!(
        code == 0 && text == format!("Aiven reports no backup of Valkey {}/cache.\n", world.namespace),
        "{text}"
    );
    assert!(world.provider.take_backup(PROJECT, "cache"));
    let list =
        until(|| inspector.json(&["backups", "valkey/cache"]), |list| list["backups"][0].is_object()).await;
    let known = &world.service("cache").unwrap()["backups"][0];
    let backup = &list["backups"][0];
    let shown = ["name", "takenAt", "sizeBytes"].map(|key| backup[key].clone());
    let taken = ["backup_name", "backup_time", "data_size"].map(|key| known[key].clone());
    assert_eq!(shown, taken, "as the provider reports it");

    let (code, _, err) = inspector.run(&["backups", "nope"]).await;
    assert!(code == 1 && err.contains("has no Valkey, Redis or ValkeyCluster nope"), "{err}");
    world
}
