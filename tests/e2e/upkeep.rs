//! The connection Secret while something else is wrong, one scenario for each reason that a user can see. A deleted
//! Secret is recreated, an edited one is restored, and it follows a password reset.

use crate::world::{PROJECT, World, until};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

crate::scenarios![
    secret_is_kept_while_a_change_is_rejected,
    rejected_change_does_not_stop_tags_and_power;
    secret_is_kept_while_the_spec_is_invalid,
    secret_is_kept_while_drift_cannot_be_reverted,
    secret_is_kept_while_the_service_rebuilds,
    secret_is_kept_while_power_off_waits_for_a_backup,
    secret_is_kept_while_power_off_is_refused_by_protection,
    secret_is_kept_while_the_network_is_missing,
    secret_is_kept_while_the_migration_password_is_missing,
];

/// Deletes the Secret, edits it, and resets the password; each time it matches again, and the resource keeps
/// reporting `reason`.
async fn is_kept(world: &World, reason: &str) {
    world.until_not_ready("cache", reason).await;
    let secrets = world.secrets();
    secrets.delete("cache", &DeleteParams::default()).await.unwrap();
    until(|| async { secrets.get_opt("cache").await.unwrap() }, Option::is_some).await;
    let edit = Patch::Merge(json!({"stringData": {"VALKEY_HOST": "edited"}}));
    secrets.patch("cache", &PatchParams::default(), &edit).await.unwrap();
    until(|| world.secret("cache"), |texts| texts["VALKEY_HOST"] != "edited").await;
    assert!(world.provider.reset_password(PROJECT, "cache"));
    let password = || world.service("cache").unwrap()["service_uri_params"]["password"].clone();
    until(|| world.secret("cache"), |texts| password() == texts["VALKEY_PASSWORD"].as_str()).await;
    world.until_not_ready("cache", reason).await;
}

async fn secret_is_kept_while_a_change_is_rejected(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.edit("cache", json!({"plan": "startup-999"})).await;
    let message = world.until_not_ready("cache", "ProviderRejected").await;
    assert!(message.contains("startup-999"), "{message}");
    let puts = world.writes();
    is_kept(&world, "ProviderRejected").await;
    assert_eq!(world.writes(), puts, "the refused request is not made again at each look");
    world.edit("cache", json!({"plan": "startup-4"})).await;
    world.until_ready("cache").await;
    world
}

async fn secret_is_kept_while_the_spec_is_invalid(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.edit("cache", json!({"userConfig": {"ip_filter": [{"network": "10.0.0.0/99"}]}})).await;
    is_kept(&world, "InvalidSpec").await;
    assert_eq!(world.writes(), 1, "nothing is sent but the request that created the service");
    world
}

async fn secret_is_kept_while_drift_cannot_be_reverted(world: World) -> World {
    world.ready_valkey("cache", json!({"userConfig": {"valkey_version": "8.1"}})).await;
    // The provider has upgraded it, and downgrades are refused.
    assert!(world.provider.set_user_config(
        PROJECT,
        "cache",
        json!({"valkey_version": "9.0"}).as_object().unwrap()
    ));
    is_kept(&world, "ProviderRejected").await;
    world
}

async fn secret_is_kept_while_the_service_rebuilds(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.provider.set_build_time(Duration::from_hours(1));
    world.edit("cache", json!({"plan": "business-4"})).await;
    is_kept(&world, "Updating").await;
    world.provider.advance(Duration::from_hours(1));
    world.until_ready("cache").await;
    world
}

async fn secret_is_kept_while_power_off_waits_for_a_backup(world: World) -> World {
    world.provider.set_backup_after(Duration::from_hours(1));
    world.ready_valkey("cache", json!({})).await;
    world.edit("cache", json!({"powered": false})).await;
    is_kept(&world, "WaitingForBackup").await;
    world
}

async fn secret_is_kept_while_power_off_is_refused_by_protection(world: World) -> World {
    world.ready_valkey("cache", json!({"terminationProtection": true})).await;
    world.edit("cache", json!({"powered": false})).await;
    is_kept(&world, "TerminationProtected").await;
    world
}

async fn secret_is_kept_while_the_network_is_missing(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.edit("cache", json!({"projectVPCRef": {"name": "nowhere"}})).await;
    is_kept(&world, "VpcNotReady").await;
    world
}

async fn secret_is_kept_while_the_migration_password_is_missing(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let migration = json!({"host": "old.example.com", "port": 6379, "method": "dump"});
    let spec =
        json!({"userConfig": {"migration": migration}, "migrationSecretSource": {"name": "old", "key": "p"}});
    world.edit("cache", spec).await;
    is_kept(&world, "MigrationSecretMissing").await;
    world
}

async fn rejected_change_does_not_stop_tags_and_power(world: World) -> World {
    world.ready_valkey("cache", json!({"tags": {"env": "test"}})).await;
    let service = || world.service("cache").unwrap();
    until(|| async { service()["backups"].clone() }, |all| all.as_array().is_some_and(|all| !all.is_empty()))
        .await;
    world
        .edit("cache", json!({"plan": "startup-999", "powered": false, "tags": {"env": "production"}}))
        .await;
    until(|| async { service()["state"].clone() }, |state| state == "POWEROFF").await;
    assert_eq!(service()["tags"]["env"], "production");
    let message = world.until_not_ready("cache", "ProviderRejected").await;
    assert!(message.contains("startup-999"), "{message}");
    world
}
