//! Power off and on through the spec.

use crate::world::World;
use kube::ResourceExt;
use serde_json::json;

crate::scenarios![
    off_and_on_again_leaves_the_secret_untouched;
    off_waits_for_a_backup,
    power_is_switched_by_one_request,
];

async fn off_and_on_again_leaves_the_secret_untouched(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let secret = world.secrets().get("cache").await.unwrap();
    world.edit("cache", json!({"powered": false})).await;
    let off = world.until_ready_for("cache", "PoweredOff").await;
    assert_eq!(off.status.as_ref().unwrap().state.as_deref(), Some("POWEROFF"));
    assert_eq!(off.annotations()["controllers.aiven.io/instance-is-running"], "false");
    let running =
        off.status.unwrap().conditions.into_iter().find(|condition| condition.type_ == "Running").unwrap();
    assert_eq!(running.status, "False");
    assert_eq!(world.secrets().get("cache").await.unwrap().resource_version(), secret.resource_version());

    world.edit("cache", json!({"powered": true})).await;
    let on = world.until_ready("cache").await;
    assert_eq!(on.status.as_ref().unwrap().state.as_deref(), Some("RUNNING"));
    assert_eq!(on.annotations()["controllers.aiven.io/instance-is-running"], "true");
    assert_eq!(world.secrets().get("cache").await.unwrap().resource_version(), secret.resource_version());
    world
}

async fn off_waits_for_a_backup(world: World) -> World {
    world.provider.set_backup_after(std::time::Duration::from_hours(1));
    world.create_valkey("cache", json!({"powered": false})).await;
    let message = world.until_not_ready("cache", "WaitingForBackup").await;
    assert!(message.contains("backup"), "{message}");
    world.provider.advance(std::time::Duration::from_hours(1));
    world.until_ready_for("cache", "PoweredOff").await;
    world
}

async fn power_is_switched_by_one_request(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    // The provider keeps reporting RUNNING for a while after it accepted.
    world.provider.set_unknowns(|unknowns| unknowns.running_reads_after_rebuild = 2);
    for (powered, reason) in [(false, "PoweredOff"), (true, "Running")] {
        let writes = world.writes();
        world.edit("cache", json!({"powered": powered})).await;
        world.until_ready_for("cache", reason).await;
        assert_eq!(world.writes() - writes, 1, "powered: {powered}");
    }
    world
}
