//! Services made from other services: forks, read replicas and migrations; and the fields that determine the location
//! of a service.

use crate::leaks::confidential;
use crate::world::{PROJECT, World, until};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

crate::scenarios![
    a_migration_is_followed_and_its_password_stays_in_a_secret;
    a_fork_waits_for_a_backup_of_its_source,
    read_replica_waits_for_source_and_powers_off_only_on_request,
    an_inline_migration_password_is_warned_about,
    disk_space_belongs_to_an_autoscaler_where_there_is_one,
    service_enters_and_leaves_vpc_only_by_spec,
];

async fn a_fork_waits_for_a_backup_of_its_source(world: World) -> World {
    world.provider.set_backup_after(Duration::from_hours(1));
    world.create_valkey("fork", json!({"userConfig": {"service_to_fork_from": "origin"}})).await;
    let message = world.until_not_ready("fork", "SourceNotReady").await;
    assert!(
        message
            .contains("service origin in project my-aiven-project, the source of this fork, does not exist"),
        "{message}"
    );
    world.ready_valkey("origin", json!({})).await;
    world
        .until_valkey("fork", |valkey| {
            crate::world::ready(valkey).is_some_and(|ready| ready.message.contains("has no backup yet"))
        })
        .await;
    assert!(world.service("fork").is_none());
    world.provider.advance(Duration::from_hours(1));
    world.until_ready("fork").await;
    // What only counts at creation is not sent again.
    let writes = world.writes();
    world.edit("fork", json!({"userConfig": {"valkey_timeout": 5}})).await;
    world.until_ready("fork").await;
    assert_eq!(world.writes() - writes, 1);
    world
}

async fn read_replica_waits_for_source_and_powers_off_only_on_request(world: World) -> World {
    let integrations = json!([{"integrationType": "read_replica", "sourceServiceName": "origin"}]);
    world.create_valkey("replica", json!({"serviceIntegrations": integrations})).await;
    world.until_not_ready("replica", "SourceNotReady").await;
    world.ready_valkey("origin", json!({})).await;
    world.until_ready("replica").await;
    world.edit("replica", json!({"powered": false})).await;
    let message = world.until_not_ready("replica", "WaitingForBackup").await;
    assert!(message.contains("never gets a backup") && message.contains("spec.powerOffPolicy"), "{message}");
    world.provider.set_unknowns(|unknowns| {
        unknowns.power_off_without_backup = valkeeper_testbed::provider::PowerOffWithoutBackup::Accepted;
    });
    world.edit("replica", json!({"powerOffPolicy": "AcceptDataLoss"})).await;
    world.until_ready_for("replica", "PoweredOff").await;
    world
}

fn condition(valkey: &valkeeper_api::Valkey, type_: &str) -> Option<Condition> {
    valkey.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == type_).cloned()
}

async fn a_migration_is_followed_and_its_password_stays_in_a_secret(world: World) -> World {
    let migration = json!({"host": "old.example.com", "port": 6379, "method": "dump", "ssl": false});
    world.create_valkey("cache", json!({
        "userConfig": {"migration": migration}, "migrationSecretSource": {"name": "old-server", "key": "password"},
    })).await;
    let message = world.until_not_ready("cache", "MigrationSecretMissing").await;
    assert!(message.contains("old-server with key password"), "{message}");
    world.set_token("old-server", "password", &confidential("correct horse")).await;
    let valkey = world.until_valkey("cache", |valkey| condition(valkey, "MigrationComplete").is_some()).await;
    assert_eq!(condition(&valkey, "PasswordExposed"), None);
    until(|| async { world.service("cache") }, Option::is_some).await;
    let password = &world.service("cache").unwrap()["user_config"]["migration"]["password"];
    assert_eq!(*password, confidential("correct horse"));
    let done = |valkey: &valkeeper_api::Valkey| {
        condition(valkey, "MigrationComplete").is_some_and(|done| done.status == "True")
    };
    world.until_valkey("cache", done).await;
    world.until_ready("cache").await;
    // Removed in the console, as the condition advises, it is not started again.
    let puts = world.count("PUT", "/service/cache");
    let removed = json!({"user_config": {"migration": null}});
    world.ask_provider("PUT", &format!("/v1/project/{PROJECT}/service/cache"), removed).await;
    world.edit("cache", json!({"userConfig": {"valkey_timeout": 60}})).await;
    world.until_ready("cache").await;
    assert_eq!(world.count("PUT", "/service/cache") - puts, 2, "the removal and the edit");
    assert_eq!(
        world.service("cache").unwrap()["user_config"].get("migration").cloned().unwrap_or_default(),
        Value::Null
    );
    world.edit("cache", json!({"userConfig": null, "migrationSecretSource": null})).await;
    let valkey = world.until_ready("cache").await;
    assert_eq!(condition(&valkey, "MigrationComplete"), None);
    let left = world.service("cache").unwrap()["user_config"].get("migration").cloned().unwrap_or_default();
    assert_eq!(left, Value::Null);
    world
}

async fn an_inline_migration_password_is_warned_about(world: World) -> World {
    let migration = json!({"host": "old.example.com", "port": 6379, "password": "in the clear"});
    let valkey = world.ready_valkey("cache", json!({"userConfig": {"migration": migration}})).await;
    let exposed = condition(&valkey, "PasswordExposed").unwrap();
    assert!(exposed.message.contains("spec.migrationSecretSource"), "{}", exposed.message);
    let visible = format!("{:?}{:?}", valkey.status, world.events("cache").await);
    assert!(!visible.contains("in the clear"));
    world
}

async fn disk_space_belongs_to_an_autoscaler_where_there_is_one(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let body =
        json!({"integration_type": "autoscaler", "dest_service": "cache", "source_endpoint_id": "endpoint"});
    world.ask_provider("POST", &format!("/v1/project/{PROJECT}/integration"), body).await;
    world.edit("cache", json!({"disk_space": "900GiB"})).await;
    let message = world.until_not_ready("cache", "DiskSpaceManaged").await;
    assert!(message.contains("autoscaler"), "{message}");
    let remove = Patch::Merge(json!({"spec": {"disk_space": null}}));
    world.valkeys().patch("cache", &PatchParams::default(), &remove).await.unwrap();
    world.until_ready("cache").await;
    world
}

async fn service_enters_and_leaves_vpc_only_by_spec(world: World) -> World {
    let body = json!({"cloud_name": "google-europe-west1", "network_cidr": "10.0.0.0/24", "peering_connections": []});
    world.ask_provider("POST", &format!("/v1/project/{PROJECT}/vpcs"), body).await;
    world.provider.advance(Duration::from_mins(1));
    let vpcs = world.read_provider(&format!("/v1/project/{PROJECT}/vpcs")).await;
    let id = vpcs["vpcs"][0]["project_vpc_id"].as_str().unwrap().to_owned();
    let vpc = || std::future::ready(world.service("cache").unwrap()["project_vpc_id"].clone());

    world.ready_valkey("cache", json!({})).await;
    assert_eq!(
        vpc().await,
        Value::Null,
        "no VPC declared is the public network, even if the project has one"
    );
    world.edit("cache", json!({"projectVpcId": id})).await;
    until(vpc, |now| *now == json!(id)).await;
    world.until_ready("cache").await;
    world.edit("cache", json!({"projectVpcId": null})).await;
    until(vpc, Value::is_null).await;
    world.until_ready("cache").await;
    world
}
