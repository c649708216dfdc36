//! The main promises against a second fake of the provider, which was written from the documentation of the
//! API alone and shares no code and no assumption with the operator or the simulator.

use crate::{
    cluster::Place,
    world::{self, PROJECT, World, token, until},
};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use valkeeper_fake_provider::{
    Answer, Config, Delay, FakeProvider, Matching, OPTIONAL_FIELDS, Shapes, TokenSpec,
};

crate::scenarios![
    run by crate::independent::run:
    life_of_a_service,
    secret_follows_a_password_reset,
    not_found_of_a_proxy_is_not_absence;
    secret_is_restored_while_a_setting_is_refused,
    report_leaves_drift_through_an_edit,
    create_that_takes_effect_late_is_not_leaked,
    read_lag_after_create_is_not_absence,
    not_found_of_the_project_is_not_absence,
    odd_shapes_do_not_stop_the_secret,
    hidden_secrets_in_lists_keep_resources_ready,
    token_without_secrets_keeps_all_but_the_secret,
    maintenance_is_started_on_request,
];

async fn run<S, F>(place: Place, scenario: S)
where
    S: FnOnce(World, FakeProvider) -> F,
    F: Future<Output = (World, FakeProvider)>,
{
    world::run(place, |mut world| async {
        let fake = FakeProvider::start(Config {
            tokens: vec![TokenSpec::full(token())],
            projects: vec![PROJECT.to_owned()],
            first_backup: Delay::Reads(1),
            ..Config::default()
        })
        .unwrap();
        world.restart_with(|settings| settings.provider_url = fake.url()).await;
        let (world, fake) = scenario(world, fake).await;
        // The world's end checks that nothing confidential is served; this password is confidential, too.
        drop(fake);
        world
    })
    .await;
}

fn count(fake: &FakeProvider, method: &str, end: &str) -> usize {
    let requests = fake.requests();
    requests.iter().filter(|request| request.method == method && request.path.ends_with(end)).count()
}

async fn until_there(fake: &FakeProvider, name: &str) -> Value {
    until(|| async { fake.service(PROJECT, name) }, Option::is_some).await.unwrap()
}

/// The Secret of a resource, as text; empty while there is none.
async fn content(world: &World, name: &str) -> BTreeMap<String, String> {
    let secret = world.secrets().get_opt(name).await.unwrap();
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    data.into_iter().map(|(key, value)| (key, String::from_utf8(value.0).unwrap())).collect()
}

/// Waits until the Secret matches the current answer of the provider.
async fn until_secret_is_true(world: &World, fake: &FakeProvider, name: &str) {
    until(
        || async {
            let service = fake.service(PROJECT, name).unwrap_or_default();
            let wanted = |key: &str| service["service_uri_params"][key].as_str().map(str::to_owned);
            let secret = content(world, name).await;
            ["host", "port", "user", "password"].iter().all(|key| {
                let held = secret.get(&format!("VALKEY_{}", key.to_uppercase()));
                held.is_some() && held == wanted(key).as_ref()
            })
        },
        |holds| *holds,
    )
    .await;
}

async fn life_of_a_service(world: World, fake: FakeProvider) -> (World, FakeProvider) {
    world.ready_valkey("cache", json!({"tags": {"a": "b"}, "userConfig": {"valkey_timeout": 100}})).await;
    assert_eq!(count(&fake, "POST", "/service"), 1);
    until_secret_is_true(&world, &fake, "cache").await;

    world.edit("cache", json!({"plan": "business-4", "userConfig": {"valkey_timeout": 200}})).await;
    until(|| async { fake.service(PROJECT, "cache").unwrap() }, |service| service["plan"] == "business-4")
        .await;
    world.until_ready("cache").await;
    assert_eq!(fake.service(PROJECT, "cache").unwrap()["user_config"]["valkey_timeout"], 200);

    fake.take_backup(PROJECT, "cache");
    let before = content(&world, "cache").await;
    world.edit("cache", json!({"powered": false})).await;
    until(|| async { fake.service(PROJECT, "cache").unwrap() }, |service| service["state"] == "POWEROFF")
        .await;
    assert_eq!(content(&world, "cache").await, before, "the Secret stays");
    world.edit("cache", json!({"powered": true})).await;
    until(|| async { fake.service(PROJECT, "cache").unwrap() }, |service| service["state"] == "RUNNING")
        .await;
    world.until_ready("cache").await;
    assert!(!fake.data_lost(PROJECT, "cache"));

    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    assert_eq!(fake.service(PROJECT, "cache"), None);
    (world, fake)
}

async fn secret_follows_a_password_reset(world: World, fake: FakeProvider) -> (World, FakeProvider) {
    world.ready_valkey("cache", json!({})).await;
    until_secret_is_true(&world, &fake, "cache").await;
    assert!(fake.reset_password(PROJECT, "cache", "default"));
    until_secret_is_true(&world, &fake, "cache").await;
    (world, fake)
}

async fn secret_is_restored_while_a_setting_is_refused(
    world: World,
    fake: FakeProvider,
) -> (World, FakeProvider) {
    world.ready_valkey("cache", json!({})).await;
    world.edit("cache", json!({"plan": "no-such-plan"})).await;
    world.until_not_ready("cache", "ProviderRejected").await;
    world.secrets().delete("cache", &DeleteParams::default()).await.unwrap();
    until_secret_is_true(&world, &fake, "cache").await;
    fake.reset_password(PROJECT, "cache", "default");
    until_secret_is_true(&world, &fake, "cache").await;
    (world, fake)
}

async fn token_without_secrets_keeps_all_but_the_secret(
    world: World,
    fake: FakeProvider,
) -> (World, FakeProvider) {
    fake.configure(|config| config.hide_secrets_everywhere = true);
    world.create_valkey("cache", json!({"tags": {"a": "b"}})).await;
    let message = world.until_not_ready("cache", "CredentialsUnavailable").await;
    assert!(message.contains("service:secrets:read"), "{message}");
    world.edit("cache", json!({"plan": "business-4"})).await;
    until(|| async { fake.service(PROJECT, "cache").unwrap() }, |service| service["plan"] == "business-4")
        .await;
    assert!(content(&world, "cache").await.is_empty());
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    assert_eq!(fake.service(PROJECT, "cache"), None);
    (world, fake)
}

async fn report_leaves_drift_through_an_edit(world: World, fake: FakeProvider) -> (World, FakeProvider) {
    world
        .ready_valkey("cache", json!({"driftPolicy": "Report", "userConfig": {"valkey_timeout": 100}}))
        .await;
    fake.set_user_config(PROJECT, "cache", "valkey_timeout", json!(999));
    until(
        || async { world.valkeys().get("cache").await.unwrap() },
        |valkey| valkey.status.as_ref().is_some_and(|status| status.drift.is_some()),
    )
    .await;
    world.edit("cache", json!({"tags": {"team": "x"}})).await;
    until(|| async { fake.service(PROJECT, "cache").unwrap() }, |service| service["tags"]["team"] == "x")
        .await;
    let reads = fake.requests().len();
    until(|| async { fake.requests().len() }, |now| *now > reads + 3).await;
    assert_eq!(fake.service(PROJECT, "cache").unwrap()["user_config"]["valkey_timeout"], 999);
    (world, fake)
}

async fn create_that_takes_effect_late_is_not_leaked(
    mut world: World,
    fake: FakeProvider,
) -> (World, FakeProvider) {
    world
        .restart_with(|settings| {
            settings.provider_url = fake.url();
            settings.request_timeout = Duration::from_secs(1);
            settings.late_effect = Some(Duration::from_secs(10));
        })
        .await;
    fake.inject(Matching::method("POST").path_contains("/service").times(1), Answer::Held);
    world.create_valkey("cache", json!({})).await;
    until(|| async { count(&fake, "POST", "/service") }, |sent| *sent >= 1).await;
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    // The operator abandons the request, reads, and finds nothing.
    let reads = count(&fake, "GET", "/service/cache");
    until(|| async { count(&fake, "GET", "/service/cache") }, |now| *now >= reads + 3).await;
    assert!(world.valkeys().get_opt("cache").await.unwrap().is_some(), "the resource waits");
    fake.release_held();
    until_there(&fake, "cache").await;
    world.until_gone("cache").await;
    assert_eq!(fake.service(PROJECT, "cache"), None, "nothing is left behind");
    (world, fake)
}

async fn read_lag_after_create_is_not_absence(world: World, fake: FakeProvider) -> (World, FakeProvider) {
    fake.configure(|config| config.read_lag = Some(Delay::Reads(4)));
    world.create_valkey("cache", json!({})).await;
    until_there(&fake, "cache").await;
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    assert_eq!(fake.service(PROJECT, "cache"), None, "nothing is left behind");
    (world, fake)
}

/// Answers every read of the service with `answer` for a while: the resource stays, gets no report of lost data, and
/// continues afterwards.
async fn reported_absence_is_confirmed(
    mut world: World,
    fake: FakeProvider,
    answer: Answer,
) -> (World, FakeProvider) {
    world
        .restart_with(|settings| {
            settings.provider_url = fake.url();
            settings.retry.transient = [50, 500].map(Duration::from_millis);
            settings.retry.denied = settings.retry.transient;
            settings.retry.invalid = settings.retry.transient;
        })
        .await;
    world.ready_valkey("cache", json!({})).await;
    fake.inject(Matching::any().path_contains(PROJECT).times(u32::MAX), answer);
    let reads = fake.requests().len();
    until(|| async { fake.requests().len() }, |now| *now >= reads + 4).await;
    let valkey = world.valkeys().get("cache").await.unwrap();
    let condition = world::ready(&valkey).unwrap();
    assert_ne!(condition.reason, "ExternalMissing", "{}", condition.message);
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    let reads = fake.requests().len();
    until(|| async { fake.requests().len() }, |now| *now >= reads + 4).await;
    assert!(world.valkeys().get_opt("cache").await.unwrap().is_some(), "the resource waits");
    fake.clear_faults();
    world.until_gone("cache").await;
    assert_eq!(fake.service(PROJECT, "cache"), None, "nothing is left behind");
    (world, fake)
}

async fn not_found_of_a_proxy_is_not_absence(world: World, fake: FakeProvider) -> (World, FakeProvider) {
    reported_absence_is_confirmed(world, fake, Answer::proxy_page(404)).await
}

async fn not_found_of_the_project_is_not_absence(world: World, fake: FakeProvider) -> (World, FakeProvider) {
    reported_absence_is_confirmed(world, fake, Answer::project_not_found(PROJECT)).await
}

async fn odd_shapes_do_not_stop_the_secret(world: World, fake: FakeProvider) -> (World, FakeProvider) {
    world.ready_valkey("cache", json!({})).await;
    let all = || OPTIONAL_FIELDS.iter().map(|field| (*field).to_owned());
    // Without these no client can connect, and the resource reports that.
    let connecting = ["users", "components", "service_uri_params"];
    let shapes = [
        Shapes { floats: true, ..Shapes::default() },
        Shapes {
            null_fields: all().filter(|field| !connecting.contains(&field.as_str())).collect(),
            ..Shapes::default()
        },
        Shapes {
            absent_fields: all().filter(|field| !connecting.contains(&field.as_str())).collect(),
            ..Shapes::default()
        },
    ];
    for shape in shapes {
        fake.configure(|config| config.shapes = shape);
        world.secrets().delete("cache", &DeleteParams::default()).await.unwrap();
        until(|| async { content(&world, "cache").await.len() }, |keys| *keys == 5).await;
    }
    (world, fake)
}

async fn hidden_secrets_in_lists_keep_resources_ready(
    world: World,
    fake: FakeProvider,
) -> (World, FakeProvider) {
    fake.configure(|config| config.hide_secrets_in_lists = true);
    for name in ["one", "two", "three"] {
        world.ready_valkey(name, json!({})).await;
    }
    for name in ["one", "two", "three"] {
        until_secret_is_true(&world, &fake, name).await;
    }
    fake.reset_password(PROJECT, "two", "default");
    until_secret_is_true(&world, &fake, "two").await;
    (world, fake)
}

async fn maintenance_is_started_on_request(world: World, fake: FakeProvider) -> (World, FakeProvider) {
    world.ready_valkey("cache", json!({})).await;
    assert!(fake.add_maintenance_update(PROJECT, "cache", json!({"description": "Security update"})));
    let ask = Patch::Merge(json!({"metadata": {"annotations": {"valkeeper.io/apply-maintenance": "now"}}}));
    world.valkeys().patch("cache", &PatchParams::default(), &ask).await.unwrap();
    let left = |service: &Value| service["maintenance"]["updates"].as_array().map_or(0, Vec::len);
    until(|| async { fake.service(PROJECT, "cache").unwrap() }, |service| left(service) == 0).await;
    world.until_ready("cache").await;
    assert_eq!(count(&fake, "PUT", "/maintenance/start"), 1);
    (world, fake)
}
