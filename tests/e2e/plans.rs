//! `valkeeper plan`: its output predicts what happens.

use crate::{
    fields::{Mover, fields, removal},
    inspect::{Inspector, manifest},
    world::{PROJECT, World, minimal_spec},
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_api::Kind;

crate::scenarios![
    plan_is_what_happens_for_each_field;
    plan_names_what_is_refused_and_what_was_meant,
    plan_prices_added_disk_space,
];

/// The parts of a service that a spec can declare, by the path of the field; members of a setting count as the
/// setting.
pub(crate) fn shown(world: &World, name: &str) -> BTreeMap<String, Value> {
    let service = world.service(name).unwrap();
    let plain = [
        ("plan", &service["plan"]),
        ("cloudName", &service["cloud_name"]),
        ("disk_space", &service["disk_space_mb"]),
        ("terminationProtection", &service["termination_protection"]),
        ("technicalEmails", &service["tech_emails"]),
        ("maintenanceWindowDow", &service["maintenance"]["dow"]),
        ("maintenanceWindowTime", &service["maintenance"]["time"]),
    ];
    let mut shown: BTreeMap<_, _> =
        plain.into_iter().map(|(path, value)| (format!("spec.{path}"), value.clone())).collect();
    for (below, part) in [("tags", &service["tags"]), ("userConfig", &service["user_config"])] {
        let members = part.as_object().unwrap().iter().filter(|(key, _)| !key.starts_with("valkeeper-"));
        shown.extend(members.map(|(key, value)| (format!("spec.{below}.{key}"), value.clone())));
    }
    shown.retain(|_, value| !value.is_null());
    shown
}

/// The path without members of a setting.
fn setting(path: &str) -> String {
    path.split('.').take(3).collect::<Vec<_>>().join(".")
}

async fn plan_is_what_happens_for_each_field(world: World) -> World {
    let inspector = Inspector::new(&world);
    let mover = Mover { world: &world, kind: Kind::Valkey };
    let window = json!({"maintenanceWindowDow": "sunday", "maintenanceWindowTime": "11:00:00"});
    let (inspector, window) = (&inspector, &window);
    let walks = fields().into_iter().map(|field| async move {
        let name = format!("plan-{}", field.name.to_lowercase().replace('_', "-"));
        let mut spec = minimal_spec();
        crate::world::merge(&mut spec, window.clone());
        let plan = inspector.plan(mover.kind, &name, &spec).await;
        let creates = plan["actions"].as_array().unwrap().iter().any(|action| action["step"] == "create");
        assert!(plan["service_exists"] == false && creates, "{plan:#}");
        mover.fresh(&name, window.clone()).await;
        let changes =
            [field.first.clone(), field.second.clone(), removal(&field.second), field.first.clone()];
        for (number, change) in changes.into_iter().enumerate() {
            crate::world::patch(&mut spec, change.clone());
            let plan = inspector.plan(mover.kind, &name, &spec).await;
            let (before, asked) = (shown(mover.world, &name), writes(mover.world, &name));
            mover.moved(&name, change).await;
            let context = format!("{name}, move {number}: {plan:#}");
            compare(&plan, &before, &shown(mover.world, &name), &context);
            let to_aiven =
                plan["actions"].as_array().unwrap().iter().filter(|one| one["target"] == "aiven").count();
            assert_eq!(writes(mover.world, &name) - asked, to_aiven, "{context}");
            let after = inspector.plan(mover.kind, &name, &spec).await;
            assert_eq!(after["changes"], json!([]), "{name}: nothing is left to do: {after:#}");
        }
    });
    stream::iter(walks).buffer_unordered(4).collect::<Vec<_>>().await;
    world
}

/// Requests that changed the service.
fn writes(world: &World, name: &str) -> usize {
    let requests = world.provider.requests();
    let path = format!("/service/{name}");
    let about = |request: &&valkeeper_testbed::provider::RequestRecord| {
        request.method != "GET"
            && (request.path.ends_with(&path) || request.path.contains(&format!("{path}/")))
    };
    requests.iter().filter(about).count()
}

/// The fields that changed are those of the plan, and have its values.
fn compare(plan: &Value, before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>, context: &str) {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changed: BTreeSet<_> =
        keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).map(|key| setting(key)).collect();
    let planned: BTreeSet<_> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| setting(change["field"].as_str().unwrap()))
        .collect();
    if planned.contains("spec.plan") {
        // Aiven's own doing.
        changed.remove("spec.disk_space");
    }
    assert_eq!(changed, planned, "{context}");
    for change in plan["changes"].as_array().unwrap() {
        let (path, to) = (change["field"].as_str().unwrap(), change["to"].as_str().unwrap());
        if let Some(value) = after.get(path).filter(|value| !value.is_object() && !value.is_array())
            && path != "spec.disk_space"
        {
            assert_eq!(value.to_string(), to, "{path} in {context}");
        }
    }
}

async fn plan_names_what_is_refused_and_what_was_meant(world: World) -> World {
    let inspector = Inspector::new(&world);
    let with = |change: Value| {
        let mut spec = minimal_spec();
        crate::world::merge(&mut spec, change);
        spec
    };
    world.ready_valkey("cache", json!({"driftPolicy": "Report"})).await;
    let before = (world.writes(), world.valkeys().get("cache").await.unwrap().metadata.resource_version);
    for (name, change, field, expected) in [
        ("new", json!({"plan": "startup4"}), "spec.plan", "did you mean startup-4?"),
        (
            "new",
            json!({"cloudName": "google-europe-wst1"}),
            "spec.cloudName",
            "did you mean google-europe-west1?",
        ),
        (
            "new",
            json!({"userConfig": {"valkey_timout": 1}}),
            "spec.userConfig.valkey_timout",
            "valkey_timeout",
        ),
        ("cache", json!({"project": "other"}), "spec.project", "cannot be changed after creation"),
        (
            "cache",
            json!({"userConfig": {"service_to_fork_from": "x"}}),
            "spec.userConfig.service_to_fork_from",
            "cannot be changed after creation",
        ),
    ] {
        let plan = inspector.plan(Kind::Valkey, name, &with(change)).await;
        let problem = &plan["problems"][0];
        assert_eq!(problem["field"], field, "{plan:#}");
        assert!(problem["message"].as_str().unwrap().contains(expected), "{plan:#}");
    }
    let plan = inspector
        .plan(Kind::Valkey, "new", &with(json!({"authSecretRef": {"name": "none", "key": "token"}})))
        .await;
    assert_eq!(
        (&plan["outcome"]["stuck"], &plan["outcome"]["reason"]),
        (&json!(true), &json!("TokenMissing"))
    );

    let plan = inspector
        .plan(Kind::Valkey, "cache", &with(json!({"driftPolicy": "Report", "plan": "business-4"})))
        .await;
    assert_eq!(plan["changes"][0]["effect"], "rebuild", "{plan:#}");
    assert!(plan["price"]["after"].as_f64() > plan["price"]["before"].as_f64(), "{plan:#}");
    assert!(world.provider.set_plan(PROJECT, "cache", "business-4"));
    let plan = inspector.json(&["plan", "cache"]).await[0].take();
    assert_eq!((&plan["changes"], &plan["left"][0]["field"]), (&json!([]), &json!("spec.plan")), "{plan:#}");
    let (code, text, _) = inspector.run(&["plan", "valkey/cache"]).await;
    assert!(code == 0 && text.contains("stays \"business-4\""), "{code}: {text}");
    let file = inspector.file("new.json", &manifest(Kind::Valkey, "new", &minimal_spec()).to_string());
    let (code, text, _) = inspector.run(&["plan", "-f", &file, "--detailed-exitcode"]).await;
    assert!(code == 3 && text.contains("creates the service"), "{code}: {text}");
    assert_eq!(world.writes(), before.0, "nothing is written at Aiven");
    assert!(world.valkeys().get_opt("new").await.unwrap().is_none() && world.service("new").is_none());
    world
}

async fn plan_prices_added_disk_space(world: World) -> World {
    let inspector = Inspector::new(&world);
    world.ready_valkey("cache", json!({})).await;
    let mut spec = minimal_spec();
    crate::world::merge(&mut spec, json!({"disk_space": "55GiB"}));
    let plan = inspector.plan(Kind::Valkey, "cache", &spec).await;
    let price = |when: &str| plan["price"][when].as_f64().unwrap();
    // 30 GB more than the plan includes, in a month of 730 hours.
    assert!((price("after") - price("before") - 30.0 * 0.0003 * 730.0).abs() < 0.01, "{plan:#}");
    world
}
