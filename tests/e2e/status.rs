//! The status, as people and tools read it.

use crate::world::{PROJECT, World};
use serde_json::json;
use std::time::Duration;
use valkeeper_api::{Custom as _, Valkey};

crate::scenarios![status_describes_the_service, tools_that_follow_kstatus_see_every_phase];

async fn status_describes_the_service(world: World) -> World {
    world.ready_valkey("cache", json!({"plan": "business-4"})).await;
    let (soon, late) = (Duration::from_hours(1), Duration::from_hours(48));
    assert!(world.provider.announce_maintenance(PROJECT, "cache", "Security update", soon, Some(late)));
    assert!(world.provider.take_backup(PROJECT, "cache"));
    let valkey = world
        .until_valkey("cache", |valkey| {
            let facts = &valkey.status.as_ref().unwrap().facts;
            !facts.backups.is_empty() && !facts.maintenance_updates.is_empty()
        })
        .await;
    let facts = valkey.status.unwrap().facts;
    let service = world.service("cache").unwrap();
    let endpoint = facts.endpoint.unwrap();
    assert_eq!(endpoint.host, service["service_uri_params"]["host"].as_str().unwrap());
    assert_eq!(endpoint.port, service["service_uri_params"]["port"].as_str().unwrap());
    assert_eq!((facts.plan.as_deref(), facts.node_count), (Some("business-4"), Some(2)));
    assert_eq!(facts.cloud_name.as_deref(), Some("google-europe-west1"));
    let update = &facts.maintenance_updates[0];
    assert_eq!((update.description.as_str(), update.deadline.is_some()), ("Security update", true));
    let (backup, known) = (&facts.backups[0], &service["backups"]);
    let newest = &known[facts.backups.len() - 1];
    assert_eq!(
        (json!(backup.name), json!(backup.time), json!(backup.size_bytes)),
        (newest["backup_name"].clone(), newest["backup_time"].clone(), newest["data_size"].clone())
    );
    assert_eq!(facts.last_backup_time, backup.time);
    let secret = facts.connection_secret.unwrap();
    assert_eq!((secret.name.as_str(), secret.keys.len()), ("cache", 5));
    world
}

/// The true conditions that tools read, `Ready` included.
fn true_conditions(valkey: &Valkey) -> Vec<&str> {
    let watched = ["Ready", "Reconciling", "Stalled"];
    let true_ones = valkey.conditions().iter().filter(|condition| condition.status == "True");
    true_ones.map(|condition| condition.type_.as_str()).filter(|type_| watched.contains(type_)).collect()
}

async fn tools_that_follow_kstatus_see_every_phase(mut world: World) -> World {
    world.kill_operator().await;
    world.provider.set_build_time(Duration::from_secs(2));
    // Not reconciled yet: its generation is not that of the status.
    let new = world.create_valkey("cache", json!({})).await;
    assert_ne!(new.status.and_then(|status| status.observed_generation), new.metadata.generation);
    world.start_operator().await;
    let current = |valkey: &Valkey| {
        let seen = valkey.status.as_ref().and_then(|status| status.observed_generation);
        seen == valkey.metadata.generation
    };
    let sees = |wanted: &'static [&'static str]| {
        move |valkey: &Valkey| current(valkey) && true_conditions(valkey) == wanted
    };
    world.until_valkey("cache", sees(&["Reconciling"])).await;
    world.until_valkey("cache", sees(&["Ready"])).await;
    world.edit("cache", json!({"plan": "startup-999"})).await;
    world.until_valkey("cache", sees(&["Stalled"])).await;
    world.edit("cache", json!({"plan": "business-4"})).await;
    world.until_valkey("cache", sees(&["Reconciling"])).await;
    world.until_valkey("cache", sees(&["Ready"])).await;
    world
}
