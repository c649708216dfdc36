//! Problems on the user's side and at the provider: the resource reports the cause and the action, nothing retries in
//! a tight loop, and it recovers by itself once the cause is gone.

use crate::leaks::{confidential, lines_with};
use crate::world::{World, condition, ready, token, until};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use valkeeper::settings::Settings;
use valkeeper_api::Valkey;
use valkeeper_engine::backoff::Bounds;
use valkeeper_testbed::provider::{Fault, Matcher, TokenSpec};

crate::scenarios![
    a_spec_that_breaks_a_rule_makes_no_call,
    malformed_object_does_not_stop_other_objects;
    a_plan_that_does_not_exist,
    a_token_secret_that_is_missing,
    a_token_secret_without_the_key,
    a_revoked_token,
    an_outage_of_the_provider,
    what_fails_again_in_the_same_way_is_logged_once,
];

async fn a_plan_that_does_not_exist(world: World) -> World {
    world.create_valkey("cache", json!({"plan": "startup-999"})).await;
    let message = world.until_not_ready("cache", "ProviderRejected").await;
    assert!(message.contains("startup-999"), "{message}");
    until(|| world.events("cache"), |events| events.iter().any(|(reason, _)| reason == "ProviderRejected"))
        .await;
    // The next attempt is half a minute away: whatever is sent in this second would be a hot loop.
    let requests = world.provider.requests().len();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.provider.requests().len(), requests);
    world.edit("cache", json!({"plan": "startup-4"})).await;
    world.until_ready("cache").await;
    world
}

async fn a_token_secret_that_is_missing(world: World) -> World {
    world.secrets().delete("aiven-token", &DeleteParams::default()).await.unwrap();
    world.create_valkey("cache", json!({})).await;
    let message = world.until_not_ready("cache", "TokenMissing").await;
    assert!(message.contains(&format!("Secret {}/aiven-token", world.namespace)), "{message}");
    assert!(world.provider.requests().is_empty(), "no call without a token");
    world.set_token("aiven-token", "token", token()).await;
    world.until_ready("cache").await;
    world
}

async fn a_token_secret_without_the_key(world: World) -> World {
    world.create_valkey("cache", json!({"authSecretRef": {"key": "tokn"}})).await;
    let message = world.until_not_ready("cache", "TokenMissing").await;
    assert!(message.contains("has no key tokn"), "{message}");
    world.edit("cache", json!({"authSecretRef": {"key": "token"}})).await;
    world.until_ready("cache").await;
    world
}

async fn a_revoked_token(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.provider.revoke_token("e2e");
    let message = world.until_not_ready("cache", "TokenRejected").await;
    assert!(message.contains("401") && message.contains("aiven-token"), "{message}");
    until(|| world.events("cache"), |events| events.iter().any(|(reason, _)| reason == "TokenRejected"))
        .await;
    world.provider.add_token(&TokenSpec::full_access("new", confidential("rotated")));
    world.set_token("aiven-token", "token", &format!("{}\n", confidential("rotated"))).await;
    world.until_ready("cache").await;
    world
}

async fn an_outage_of_the_provider(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let everything = Matcher::new(None, ".*").unwrap();
    world.provider.fail_next(everything, 3, Fault::status(503, "maintenance"));
    let requests = world.provider.requests().len();
    until(|| async { world.provider.requests().len() }, |now| *now >= requests + 3).await;
    let valkey = world.valkeys().get("cache").await.unwrap();
    assert_eq!(ready(&valkey).unwrap().status, "True", "an outage of the API is not one of the database");
    let reported = |events: &Vec<(String, String)>| {
        events.iter().filter(|(reason, _)| reason == "ProviderUnavailable").count()
    };
    until(|| world.events("cache"), |events| reported(events) == 1).await;
    let recovered = |events: &Vec<(String, String)>| {
        events
            .iter()
            .any(|(reason, note)| reason == "ReconcileSucceeded" && note == "Aiven is reachable again.")
    };
    until(|| world.events("cache"), recovered).await;
    world
        .until_valkey("cache", |valkey| condition(valkey, "Synced").is_some_and(|it| it.status == "True"))
        .await;

    let everything = Matcher::new(None, ".*").unwrap();
    world.provider.fail_next(everything, 1000, Fault::status(503, "maintenance"));
    let is_out_of_sync = |valkey: &Valkey| condition(valkey, "Synced").is_some_and(|it| it.status == "False");
    let valkey = world.until_valkey("cache", is_out_of_sync).await;
    let synced = condition(&valkey, "Synced").unwrap();
    assert_eq!(
        (synced.reason.as_str(), ready(&valkey).unwrap().status.as_str()),
        ("ProviderUnavailable", "True")
    );
    // It continues, and nothing is written.
    let requests = world.provider.requests().len();
    until(|| async { world.provider.requests().len() }, |now| *now >= requests + 3).await;
    let later = world.valkeys().get("cache").await.unwrap();
    assert_eq!(later.metadata.resource_version, valkey.metadata.resource_version);
    world
}

async fn what_fails_again_in_the_same_way_is_logged_once(mut world: World) -> World {
    world
        .restart_with(|settings| {
            let pauses = [Duration::from_millis(100); 2];
            settings.retry = Bounds { transient: pauses, denied: pauses, ..settings.retry };
        })
        .await;
    world.ready_valkey("cache", json!({})).await;
    let namespace = world.namespace.clone();
    let logged = |level: &str, text: &str| lines_with(&[level, text, &namespace]);
    // Not the lists of the project, which may be made at any time.
    let service_read = || Matcher::new(Some("GET"), "/service/cache$").unwrap();
    world.provider.fail_next(service_read(), 4, Fault::status(503, "maintenance"));
    until(|| async { logged("INFO", "reconciliation recovered") }, |count| *count == 1).await;
    world.provider.fail_next(service_read(), 4, Fault::status(500, "broken"));
    until(|| async { logged("INFO", "reconciliation recovered") }, |count| *count == 2).await;
    for text in ["reconciliation failed", "provider call failed"] {
        assert_eq!((logged("WARN", text), logged("DEBUG", text)), (2, 6), "{text}");
    }

    world.provider.revoke_token("e2e");
    until(|| async { logged("DEBUG", "no valid token") }, |count| *count >= 2).await;
    world.provider.add_token(&TokenSpec::full_access("e2e", token()));
    until(|| async { logged("INFO", "token recovered") }, |count| *count == 1).await;
    assert_eq!((logged("WARN", "no valid token"), logged("WARN", "reconciliation failed")), (1, 3));
    // One place, one verdict, whether the token was read, used or left alone.
    let served = world.served().await;
    let lines = served.iter().flat_map(|(_, text)| text.lines());
    let verdicts: Vec<_> = lines.filter(|line| line.starts_with("valkeeper_token_valid{")).collect();
    assert!(verdicts.len() == 1 && verdicts[0].ends_with(" 1.0"), "{verdicts:?}");
    world
}

async fn a_spec_that_breaks_a_rule_makes_no_call(world: World) -> World {
    // A rule that a schema cannot express, so that the API server accepts the object.
    world.create_valkey("cache", json!({"userConfig": {"ip_filter": [{"network": "10.0.0.0/99"}]}})).await;
    let message = world.until_not_ready("cache", "InvalidSpec").await;
    assert!(message.contains("spec.userConfig.ip_filter"), "{message}");
    assert!(world.provider.requests().is_empty());
    world.edit("cache", json!({"userConfig": {"ip_filter": [{"network": "10.0.0.0/8"}]}})).await;
    world.until_ready("cache").await;
    world
}

/// Installs a definition laxer than ours, as an older installation may have it.
pub(crate) async fn accept_any_spec(world: &World) {
    let definitions: kube::Api<CustomResourceDefinition> = kube::Api::all(world.client.clone());
    let lax = json!([{"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": {
        "type": "object", "properties": {
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}]);
    let patch = Patch::<()>::Json(serde_json::from_value(lax).unwrap());
    definitions.patch("valkeys.aiven.io", &PatchParams::default(), &patch).await.unwrap();
}

async fn malformed_object_does_not_stop_other_objects(mut world: World) -> World {
    accept_any_spec(&world).await;
    let objects: kube::Api<kube::api::DynamicObject> = kube::Api::namespaced_with(
        world.client.clone(),
        &world.namespace,
        &kube::api::ApiResource::erase::<valkeeper_api::Valkey>(&()),
    );
    let bad = json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": {"name": "bad"}, "spec": {"plan": 7}});
    let create = || async {
        objects
            .create(&kube::api::PostParams::default(), &serde_json::from_value(bad.clone()).unwrap())
            .await
            .is_ok()
    };
    until(create, |created| *created).await;
    // Also when the very first list contains it, and the first attempts to report it fail.
    world.kill_operator().await;
    world.calls.lose_next(3, http::Method::PATCH, "/valkeys/bad/status");
    let soon = |settings: &mut Settings| settings.retry.denied = [Duration::from_millis(50); 2];
    world.start_operator_with(soon).await;
    world.ready_valkey("good", json!({})).await;
    let reason = || async {
        objects
            .get("bad")
            .await
            .unwrap()
            .data
            .pointer("/status/conditions/0/reason")
            .cloned()
            .unwrap_or_default()
    };
    until(reason, |reason| reason == "Malformed").await;
    world
}

#[tokio::test]
async fn operator_that_never_reached_kubernetes_stops_on_signal() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The port of a closed socket has no listener.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = kube::Config::new(format!("http://127.0.0.1:{port}").parse().unwrap());
    let client = valkeeper::cluster::connect(config).unwrap();
    let settings = Settings { provider_url: "http://127.0.0.1:1".to_owned(), ..Settings::default() };
    let stop = CancellationToken::new();
    let running = tokio::spawn(valkeeper::operator::run(settings, client, stop.clone()));
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), running).await.expect("it stops").unwrap().unwrap();
}
