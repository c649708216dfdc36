//! External changes to a service.

use crate::world::{PROJECT, World, until};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use valkeeper_api::Valkey;

crate::scenarios![
    changes_at_the_provider_are_named_and_undone,
    a_vanished_service_is_reported_and_recreated_only_on_request,
    reconciliation_can_be_requested;
    drift_that_is_only_to_be_reported_is_left,
    reported_drift_is_left_through_edits_and_replacement,
    taken_over_resource_reports_what_differs,
    service_powered_off_externally_is_powered_on,
    paused_resource_is_unchanged_and_reports_the_pause,
];

async fn changes_at_the_provider_are_named_and_undone(world: World) -> World {
    world.ready_valkey("cache", json!({
        "tags": {"env": "test"}, "maintenanceWindowDow": "sunday", "maintenanceWindowTime": "11:00:00",
        "terminationProtection": true, "userConfig": {"valkey_timeout": 60},
    })).await;
    let provider = &world.provider;
    let service = || world.service("cache").unwrap();
    let field = |path: &'static str| move || std::future::ready(service().pointer(path).cloned());
    assert!(provider.set_plan(PROJECT, "cache", "business-4"));
    until(field("/plan"), |plan| *plan == Some(json!("startup-4"))).await;
    assert!(provider.set_user_config(PROJECT, "cache", json!({"valkey_timeout": 10}).as_object().unwrap()));
    until(field("/user_config/valkey_timeout"), |timeout| *timeout == Some(json!(60))).await;
    assert!(provider.set_maintenance_window(PROJECT, "cache", "monday", "01:00:00"));
    until(field("/maintenance/dow"), |day| *day == Some(json!("sunday"))).await;
    assert!(provider.set_termination_protection(PROJECT, "cache", false));
    until(field("/termination_protection"), |on| *on == Some(json!(true))).await;
    let mut tags: std::collections::BTreeMap<String, String> =
        serde_json::from_value(world.service("cache").unwrap()["tags"].clone()).unwrap();
    tags.insert("env".to_owned(), "changed".to_owned());
    assert!(provider.set_tags(PROJECT, "cache", tags));
    until(field("/tags/env"), |env| *env == Some(json!("test"))).await;

    // The provider shows the tags before the status reports them.
    let last = |valkey: &Valkey| valkey.status.as_ref().and_then(|status| status.drift.clone()).unwrap();
    let valkey = world.until_valkey("cache", |valkey| last(valkey).fields[0].field == "spec.tags.env").await;
    assert!(last(&valkey).corrected);
    for part in [
        "spec.plan is \"business-4\", not \"startup-4\"",
        "spec.userConfig.valkey_timeout is 10, not 60",
        "spec.maintenanceWindowDow is \"monday\", not \"sunday\"",
        "spec.terminationProtection is false, not true",
        "spec.tags.env is \"changed\", not \"test\"",
    ] {
        until(
            || world.events("cache"),
            |events| events.iter().any(|(reason, note)| reason == "Drift" && note.contains(part)),
        )
        .await;
    }
    world
}

async fn drift_that_is_only_to_be_reported_is_left(world: World) -> World {
    world.ready_valkey("cache", json!({"driftPolicy": "Report"})).await;
    let writes = world.writes();
    assert!(world.provider.set_plan(PROJECT, "cache", "business-4"));
    let valkey = world.until_valkey("cache", |valkey| valkey.status.as_ref().unwrap().drift.is_some()).await;
    let drift = valkey.status.unwrap().drift.unwrap();
    assert!(!drift.corrected);
    let field = &drift.fields[0];
    assert_eq!(
        (field.field.as_str(), field.declared.as_str(), field.found.as_str()),
        ("spec.plan", "\"startup-4\"", "\"business-4\"")
    );
    assert_eq!(
        (world.writes(), world.service("cache").unwrap()["plan"].clone()),
        (writes, json!("business-4"))
    );
    let synced = |status: &'static str| {
        move |valkey: &Valkey| {
            crate::world::condition(valkey, "Drifted").is_some_and(|it| it.status == status)
        }
    };
    let valkey = world.until_valkey("cache", synced("True")).await;
    let message = &crate::world::condition(&valkey, "Drifted").unwrap().message;
    assert!(message.contains("spec.plan is \"business-4\", not \"startup-4\""), "{message}");
    world.edit("cache", json!({"driftPolicy": "Correct"})).await;
    until(|| async { world.service("cache").unwrap()["plan"].clone() }, |plan| plan == "startup-4").await;
    world.until_ready("cache").await;
    world.until_valkey("cache", synced("False")).await;
    until(|| world.events("cache"), |events| events.iter().any(|(reason, _)| reason == "InSync")).await;
    world
}

async fn reported_drift_is_left_through_edits_and_replacement(mut world: World) -> World {
    world.ready_valkey("cache", json!({"driftPolicy": "Report"})).await;
    assert!(world.provider.set_plan(PROJECT, "cache", "business-4"));
    world.until_valkey("cache", |valkey| valkey.status.as_ref().unwrap().drift.is_some()).await;
    // Each edit reaches the provider, and the plan stays.
    world.edit("cache", json!({"tags": {"team": "x"}})).await;
    until(|| async { world.service("cache").unwrap()["tags"]["team"].clone() }, |team| team == "x").await;
    world.edit("cache", json!({"userConfig": {"valkey_timeout": 60}})).await;
    until(
        || async { world.service("cache").unwrap()["user_config"]["valkey_timeout"].clone() },
        |set| *set == 60,
    )
    .await;
    world.edit("cache", json!({"connInfoSecretTarget": {"name": "cache", "labels": {"a": "b"}}})).await;
    world.until_ready("cache").await;
    // `kubectl replace` with a manifest drops what only the operator has put there.
    let mut replaced = world.valkeys().get("cache").await.unwrap();
    (replaced.metadata.annotations, replaced.metadata.finalizers) = (None, None);
    world.valkeys().replace("cache", &PostParams::default(), &replaced).await.unwrap();
    world.until_valkey("cache", |valkey| valkey.metadata.finalizers.is_some()).await;
    world.until_ready("cache").await;
    world.kill_operator().await;
    world.start_operator().await;
    world.edit("cache", json!({"tags": {"team": "y"}})).await;
    until(|| async { world.service("cache").unwrap()["tags"]["team"].clone() }, |team| team == "y").await;
    world.until_ready("cache").await;
    assert_eq!(world.service("cache").unwrap()["plan"], "business-4");
    // An edit of the plan itself is news.
    world.edit("cache", json!({"plan": "startup-8"})).await;
    until(|| async { world.service("cache").unwrap()["plan"].clone() }, |plan| plan == "startup-8").await;
    world.until_ready("cache").await;
    world
}

/// A resource of aiven-operator that has drifted, with a spec that was edited since.
async fn taken_over_resource_reports_what_differs(world: World) -> World {
    let body = json!({"service_name": "cache", "service_type": "valkey", "plan": "business-4",
        "cloud": "google-europe-west1", "user_config": {"valkey_timeout": 600}});
    world.ask_provider("POST", &format!("/v1/project/{PROJECT}/service"), body).await;
    let writes = world.writes();
    let mut valkey: Valkey = crate::world::manifest(
        "Valkey",
        "cache",
        json!({"driftPolicy": "Report", "userConfig": {"valkey_timeout": 300}}),
    );
    valkey.metadata.finalizers = Some(vec![valkeeper_api::names::FINALIZER.to_owned()]);
    let annotations = valkey.metadata.annotations.get_or_insert_default();
    annotations.insert("controllers.aiven.io/generation-was-processed".to_owned(), "0".to_owned());
    world.valkeys().create(&PostParams::default(), &valkey).await.unwrap();
    let drifted = |valkey: &Valkey| valkey.status.as_ref().and_then(|status| status.drift.as_ref()).is_some();
    let valkey = world.until_valkey("cache", drifted).await;
    let drift = valkey.status.unwrap().drift.unwrap();
    let fields: Vec<_> = drift.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!((drift.corrected, fields), (false, vec!["spec.plan", "spec.userConfig.valkey_timeout"]));
    world.until_ready("cache").await;
    assert_eq!(world.service("cache").unwrap()["plan"], "business-4");
    assert_eq!(world.count("PUT", "/service/cache"), 0);
    assert_eq!(world.writes() - writes, 1, "nothing but the mark of its owner");
    world
}

async fn service_powered_off_externally_is_powered_on(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    until(
        || async { world.service("cache").unwrap()["backups"].clone() },
        |backups| backups.as_array().is_some_and(|all| !all.is_empty()),
    )
    .await;
    assert!(world.provider.set_powered(PROJECT, "cache", false));
    until(
        || world.events("cache"),
        |events| events.iter().any(|(reason, note)| reason == "Drift" && note.contains("spec.powered")),
    )
    .await;
    until(|| async { world.service("cache").unwrap()["state"].clone() }, |state| state == "RUNNING").await;
    world.until_ready("cache").await;
    world
}

async fn a_vanished_service_is_reported_and_recreated_only_on_request(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let before = world.secret("cache").await;
    assert!(world.provider.delete_service(PROJECT, "cache"));
    let message = world.until_not_ready("cache", "ExternalMissing").await;
    assert!(message.contains("spec.recreatePolicy"), "{message}");
    assert_eq!(world.secret("cache").await, before, "the last good values stay");
    world.edit("cache", json!({"recreatePolicy": "Always"})).await;
    world.until_ready("cache").await;
    let password = world.service("cache").unwrap()["service_uri_params"]["password"].clone();
    assert_eq!(Value::from(world.secret("cache").await["VALKEY_PASSWORD"].clone()), password);
    world
}

async fn annotate(world: &World, annotations: Value) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    world.valkeys().patch("cache", &PatchParams::default(), &patch).await.unwrap();
}

async fn paused_resource_is_unchanged_and_reports_the_pause(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    annotate(&world, json!({"valkeeper.io/paused": "true"})).await;
    let is_paused = |valkey: &Valkey| {
        valkey.status.as_ref().unwrap().conditions.iter().any(|condition| condition.type_ == "Paused")
    };
    world.until_valkey("cache", is_paused).await;
    let writes = world.writes();
    world.edit("cache", json!({"plan": "business-4"})).await;
    world
        .until_valkey("cache", |valkey| {
            valkey.status.as_ref().unwrap().observed_generation == valkey.metadata.generation
        })
        .await;
    assert_eq!(world.writes(), writes);
    annotate(&world, json!({"valkeeper.io/paused": null})).await;
    world.until_ready("cache").await;
    assert!(!is_paused(&world.valkeys().get("cache").await.unwrap()));
    assert_eq!(world.service("cache").unwrap()["plan"], "business-4");
    world
}

async fn reconciliation_can_be_requested(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    annotate(&world, json!({"valkeeper.io/reconcile-at": "now, please"})).await;
    world
        .until_valkey("cache", |valkey| {
            valkey.status.as_ref().unwrap().last_handled_reconcile_at.as_deref() == Some("now, please")
        })
        .await;
    world
}
