//! The shape of a connection: a ConfigMap without secrets, routes, the project's authority, presets and templates.

use crate::world::{PROJECT, World, until};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::collections::BTreeMap;
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    config_map_holds_the_parameters_without_secrets,
    deleted_or_edited_config_map_is_restored,
    config_map_of_another_owner_is_not_touched,
    presets_and_templates_come_and_go;
    secret_follows_its_route,
    unavailable_route_leaves_the_secret_and_names_the_setting,
    certificate_of_the_authority_is_written_on_request,
    refused_certificate_does_not_delay_the_other_keys,
    redis_has_the_same_shapes,
    resources_without_shapes_cost_no_further_call,
];

fn config_maps(world: &World) -> Api<ConfigMap> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

async fn parameters(world: &World, name: &str) -> BTreeMap<String, String> {
    config_maps(world).get(name).await.unwrap().data.unwrap_or_default()
}

/// The setting that opens a route.
fn open(route: &str) -> serde_json::Value {
    json!({route: {"valkey": true}})
}

async fn config_map_holds_the_parameters_without_secrets(world: World) -> World {
    let target = json!({"name": "parameters", "labels": {"team": "shop"}, "annotations": {"a": "b"}});
    let spec = json!({"plan": "business-4", "connInfoConfigMapTarget": target});
    let valkey = world.ready_valkey("cache", spec).await;
    let service = world.service("cache").unwrap()["service_uri_params"].clone();
    let host = service["host"].as_str().unwrap().to_owned();
    let expected = [
        ("VALKEY_HOST", host.clone()),
        ("VALKEY_PORT", service["port"].as_str().unwrap().to_owned()),
        ("VALKEY_REPLICA_HOST", format!("replica-{host}")),
        ("VALKEY_REPLICA_PORT", service["port"].as_str().unwrap().to_owned()),
        ("VALKEY_SSL", "required".to_owned()),
    ];
    let expected =
        expected.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<BTreeMap<_, _>>();
    assert_eq!(parameters(&world, "parameters").await, expected);
    let found = config_maps(&world).get("parameters").await.unwrap();
    assert_eq!((found.labels()["team"].as_str(), found.annotations()["a"].as_str()), ("shop", "b"));
    assert_eq!(Some(&found.owner_references()[0].uid), valkey.metadata.uid.as_ref());
    let status = valkey.status.unwrap().facts;
    assert_eq!(status.connection_config_map.unwrap().name, "parameters");
    let events = world.events("cache").await;
    assert!(events.iter().any(|(reason, _)| reason == "ConfigMapWritten"), "{events:?}");

    // Without a replica its keys go; a prefix replaces the keys before.
    let edit = json!({"plan": "startup-4", "connInfoConfigMapTarget": {"prefix": "CACHE_", "labels": null}});
    world.edit("cache", edit).await;
    let keys = until(|| parameters(&world, "parameters"), |found| found.len() == 3).await;
    assert_eq!(keys.keys().collect::<Vec<_>>(), ["CACHE_HOST", "CACHE_PORT", "CACHE_SSL"]);
    let labels = || async { config_maps(&world).get("parameters").await.unwrap().labels().len() };
    until(labels, |count| *count == 0).await;
    world.until_ready("cache").await;
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    let api = config_maps(&world);
    until(|| async { api.get_opt("parameters").await.unwrap() }, Option::is_none).await;
    world
}

async fn deleted_or_edited_config_map_is_restored(world: World) -> World {
    world.ready_valkey("cache", json!({"connInfoConfigMapTarget": {"name": "parameters"}})).await;
    let (api, before) = (config_maps(&world), parameters(&world, "parameters").await);
    api.delete("parameters", &DeleteParams::default()).await.unwrap();
    until(|| async { api.get_opt("parameters").await.unwrap() }, Option::is_some).await;
    assert_eq!(parameters(&world, "parameters").await, before);
    let edit = json!({"data": {"VALKEY_HOST": "edited", "EXTRA": "kept"}});
    api.patch("parameters", &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
    let restored =
        until(|| parameters(&world, "parameters"), |found| found["VALKEY_HOST"] == before["VALKEY_HOST"])
            .await;
    assert_eq!(restored["EXTRA"], "kept");
    world
}

async fn config_map_of_another_owner_is_not_touched(world: World) -> World {
    let foreign: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "taken"}, "data": {"precious": "data"}})).unwrap();
    config_maps(&world).create(&PostParams::default(), &foreign).await.unwrap();
    world.create_valkey("cache", json!({"connInfoConfigMapTarget": {"name": "taken"}})).await;
    let message = world.until_not_ready("cache", "ConfigMapConflict").await;
    assert!(message.contains("taken") && message.contains("connInfoConfigMapTarget.name"), "{message}");
    assert!(world.service("cache").is_none(), "nothing was created that costs money");
    config_maps(&world).delete("taken", &DeleteParams::default()).await.unwrap();
    world.until_ready("cache").await;
    assert_eq!(parameters(&world, "taken").await.len(), 3);
    world
}

async fn secret_follows_its_route(world: World) -> World {
    let target = json!({"name": "conn", "route": "Private", "extraKeys": ["URI"]});
    let spec = json!({"connInfoSecretTarget": target, "userConfig": open("private_access"),
        "connInfoConfigMapTarget": {"name": "parameters", "route": "Dynamic"}});
    world.ready_valkey("cache", spec).await;
    let host = world.service("cache").unwrap()["service_uri_params"]["host"].as_str().unwrap().to_owned();
    let texts = world.secret("conn").await;
    assert_eq!(texts["VALKEY_HOST"], format!("private-{host}"));
    assert!(texts["VALKEY_URI"].contains(&format!("@private-{host}:")));
    assert_eq!(parameters(&world, "parameters").await["VALKEY_HOST"], host);

    world.edit("cache", json!({"connInfoSecretTarget": {"route": null}})).await;
    until(|| world.secret("conn"), |texts| texts["VALKEY_HOST"] == host).await;
    world
}

async fn unavailable_route_leaves_the_secret_and_names_the_setting(world: World) -> World {
    world.ready_valkey("cache", json!({"connInfoSecretTarget": {"name": "conn"}})).await;
    let before = world.secret("conn").await;
    world.edit("cache", json!({"connInfoSecretTarget": {"route": "Public"}})).await;
    let message = world.until_not_ready("cache", "RouteUnavailable").await;
    assert!(message.contains("spec.userConfig.public_access.valkey"), "{message}");
    assert_eq!(world.secret("conn").await, before);

    world.edit("cache", json!({"userConfig": open("public_access")})).await;
    world.until_ready("cache").await;
    assert!(world.secret("conn").await["VALKEY_HOST"].starts_with("public-"));
    world
}

async fn certificate_of_the_authority_is_written_on_request(world: World) -> World {
    let target = json!({"name": "conn", "extraKeys": ["CA_CERT"]});
    world.ready_valkey("cache", json!({"connInfoSecretTarget": target})).await;
    let texts = world.secret("conn").await;
    assert!(texts["VALKEY_CA_CERT"].starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(texts.len(), 6);
    // Later reconciliations, and other resources of the project, use what was read.
    let target = json!({"name": "other-conn", "extraKeys": ["CA_CERT"]});
    world.ready_valkey("other", json!({"connInfoSecretTarget": target})).await;
    assert_eq!(world.secret("other-conn").await["VALKEY_CA_CERT"], texts["VALKEY_CA_CERT"]);
    let requests = world.provider.requests();
    assert_eq!(requests.iter().filter(|request| request.path.ends_with("/kms/ca")).count(), 1);

    world.edit("cache", json!({"connInfoSecretTarget": {"extraKeys": null}})).await;
    until(|| world.secret("conn"), |texts| texts.len() == 5).await;
    world
}

async fn refused_certificate_does_not_delay_the_other_keys(world: World) -> World {
    let read = Matcher::new(Some("GET"), &format!("^/v1/project/{PROJECT}/kms/ca$")).unwrap();
    world.provider.fail_next(read, 1000, Fault::status(403, "not allowed"));
    let target = json!({"name": "conn", "extraKeys": ["CA_CERT"]});
    world.create_valkey("cache", json!({"connInfoSecretTarget": target})).await;
    let secrets = world.secrets();
    until(|| async { secrets.get_opt("conn").await.unwrap() }, Option::is_some).await;
    assert_eq!(world.secret("conn").await.len(), 5);
    let message = world.until_not_ready("cache", "ProviderRejected").await;
    assert!(message.contains("certificate authority"), "{message}");
    world.provider.clear_faults();
    // The certificate comes without an edit, or with one.
    world.edit("cache", json!({"tags": {"again": "1"}})).await;
    world.until_ready("cache").await;
    assert_eq!(world.secret("conn").await.len(), 6);
    world
}

async fn presets_and_templates_come_and_go(world: World) -> World {
    let keys = json!({"DSN": "{scheme}://{user}:{password}@{host}:{port}/3", "MODE": "tls={ssl}"});
    let target = json!({"name": "conn", "presets": ["sidekiq", "spring"], "keys": keys});
    world.ready_valkey("cache", json!({"connInfoSecretTarget": target})).await;
    let texts = world.secret("conn").await;
    let uri = format!(
        "rediss://{}:{}@{}:{}",
        texts["VALKEY_USER"], texts["VALKEY_PASSWORD"], texts["VALKEY_HOST"], texts["VALKEY_PORT"]
    );
    assert_eq!(texts["DSN"], format!("{uri}/3"));
    assert_eq!(texts["MODE"], "tls=required");
    assert_eq!(texts["REDIS_URL"], format!("{uri}/0"));
    assert_eq!(texts["SPRING_DATA_REDIS_PASSWORD"], texts["VALKEY_PASSWORD"]);
    assert_eq!(texts.len(), 5 + 2 + 1 + 5);

    assert!(world.provider.reset_password(PROJECT, "cache"));
    let password = texts["VALKEY_PASSWORD"].clone();
    let after = until(|| world.secret("conn"), |texts| texts["VALKEY_PASSWORD"] != password).await;
    assert!(after.values().all(|value| !value.contains(&password)), "every key has the new password");

    world.edit("cache", json!({"connInfoSecretTarget": {"presets": null, "keys": {"DSN": null}}})).await;
    let left = until(|| world.secret("conn"), |texts| texts.len() == 6).await;
    assert!(left.contains_key("MODE"));
    world
}

async fn redis_has_the_same_shapes(world: World) -> World {
    let target = json!({"name": "conn", "presets": ["django"], "route": "Private"});
    let spec = json!({"connInfoSecretTarget": target, "connInfoConfigMapTarget": {"name": "parameters"},
        "userConfig": {"private_access": {"redis": true}}});
    world.ready_redis("old", spec).await;
    let texts = world.secret("conn").await;
    assert!(texts["REDIS_HOST"].starts_with("private-"));
    assert!(texts["CACHE_URL"].ends_with("/1"));
    let parameters = parameters(&world, "parameters").await;
    assert_eq!(parameters.keys().collect::<Vec<_>>(), ["REDIS_HOST", "REDIS_PORT", "REDIS_SSL"]);
    world
}

async fn resources_without_shapes_cost_no_further_call(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let reads = world.provider.requests().len();
    until(|| async { world.provider.requests().len() }, |count| *count > reads + 2).await;
    assert!(world.provider.requests().iter().all(|request| !request.path.contains("/kms/")));
    assert!(world.calls.rights().iter().all(|right| !right.contains("configmaps")));
    world
}
