//! The life of a resource in scenarios: how each is prepared, what happens in it while things go wrong,
//! and what must have become of it in the end.

use crate::{
    canary,
    world::{NAME, PROJECT, World, connection},
};
use futures::{FutureExt as _, future::BoxFuture};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use valkeeper_sandbox::provider::TokenSpec;

/// Something done to a world.
type Act = for<'a> fn(&'a mut World) -> BoxFuture<'a, ()>;

/// One scenario.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Brings the world to where the scenario begins; nothing goes wrong yet.
    pub(crate) prepare: Act,
    /// What somebody does.
    pub(crate) act: Act,
    /// The operator is down while it is done, because no watch tells it.
    pub(crate) operator_is_down: bool,
    /// Whether what was to happen has happened.
    pub(crate) goal: fn(&World) -> bool,
    pub(crate) end: End,
}

/// How the world must be in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// One service of ours runs, and the Secret says how to reach it.
    Serving,
    /// The service is off, and the Secret is as it was.
    PoweredOff,
    /// Neither resource, nor service, nor Secret.
    Gone,
    /// No resource, but its service.
    Orphaned,
    /// Nothing of what was there before was touched.
    Untouched,
    /// Nothing was written to the provider.
    Paused,
}

macro_rules! act {
    (|$world:ident| $body:expr) => {
        |$world: &mut World| async move { $body }.boxed()
    };
}

const NOTHING: Act = act!(|_world| ());
const READY: Act = act!(|world| ready(world, json!({})).await);

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    let scenario = Scenario {
        name: "",
        prepare: NOTHING,
        act: NOTHING,
        operator_is_down: false,
        goal: |world| world.is("True", "Running"),
        end: End::Serving,
    };
    let edited = Scenario { prepare: READY, ..scenario };
    let unseen = Scenario { operator_is_down: true, ..edited };
    [
        creations(scenario),
        edits(scenario, edited),
        switches(scenario),
        truths(unseen),
        policies(scenario, unseen),
        endings(scenario, edited),
    ]
    .concat()
}

/// The beginnings of a life.
fn creations(scenario: Scenario) -> Vec<Scenario> {
    vec![
        Scenario { name: "create", act: act!(|world| world.create(rich()).await), ..scenario },
        Scenario {
            name: "create in a VPC",
            prepare: act!(|world| make_vpc(world).await),
            act: act!(|world| {
                let vpc = world.before.clone();
                world.create(json!({"projectVpcId": vpc})).await;
            }),
            goal: |world| {
                world.is("True", "Running")
                    && world.service().is_some_and(|it| it["project_vpc_id"] == world.before)
            },
            ..scenario
        },
        Scenario {
            name: "create, name taken",
            prepare: act!(|world| make_foreign_service(world).await),
            act: act!(|world| world.create(rich()).await),
            goal: |world| world.is("False", "NotOwned"),
            end: End::Untouched,
            ..scenario
        },
        Scenario {
            name: "create, Secret taken",
            prepare: act!(|world| {
                world.put_secret(NAME, &json!({"OTHER": "theirs"})).await;
                world.until(|world| world.secret(NAME).is_some()).await;
            }),
            act: act!(|world| world.create(json!({})).await),
            goal: |world| world.is("False", "SecretConflict"),
            end: End::Untouched,
            ..scenario
        },
    ]
}

/// What users change.
fn edits(scenario: Scenario, edited: Scenario) -> Vec<Scenario> {
    vec![
        Scenario {
            name: "edit plan",
            act: act!(|world| world.patch(json!({"spec": {"plan": "business-4"}})).await),
            goal: |world| has(world, "/plan", &json!("business-4")),
            ..edited
        },
        Scenario {
            name: "edit userConfig",
            act: act!(|world| world.patch(json!({"spec": {"userConfig": {"valkey_timeout": 600}}})).await),
            goal: |world| has(world, "/user_config/valkey_timeout", &json!(600)),
            ..edited
        },
        Scenario {
            name: "remove from userConfig",
            prepare: act!(|world| ready(world, json!({"userConfig": {"valkey_timeout": 600}})).await),
            act: act!(|world| world.patch(json!({"spec": {"userConfig": null}})).await),
            goal: |world| has(world, "/user_config/valkey_timeout", &json!(300)),
            ..scenario
        },
        Scenario {
            name: "edit tags",
            act: act!(|world| world.patch(json!({"spec": {"tags": {"env": "test"}}})).await),
            goal: |world| has(world, "/tags/env", &json!("test")),
            ..edited
        },
        Scenario {
            name: "edit plan, userConfig and tags",
            act: act!(|world| {
                let tags = json!({"env": "test"});
                let config = json!({"valkey_timeout": 600});
                world
                    .patch(json!({"spec": {"plan": "business-4", "tags": tags, "userConfig": config}}))
                    .await;
            }),
            goal: |world| {
                has(world, "/plan", &json!("business-4"))
                    && has(world, "/tags/env", &json!("test"))
                    && has(world, "/user_config/valkey_timeout", &json!(600))
            },
            ..edited
        },
    ]
}

/// Off and on.
fn switches(scenario: Scenario) -> Vec<Scenario> {
    vec![
        Scenario {
            name: "power off",
            prepare: act!(|world| {
                // The provider says RUNNING for a while after it has accepted.
                world.settings.settle_time = std::time::Duration::from_secs(5);
                ready(world, json!({})).await;
                world.provider.take_backup(PROJECT, NAME);
            }),
            act: act!(|world| world.patch(json!({"spec": {"powered": false}})).await),
            goal: |world| world.is("True", "PoweredOff"),
            end: End::PoweredOff,
            ..scenario
        },
        Scenario {
            name: "power on",
            prepare: act!(|world| powered_off(world).await),
            act: act!(|world| world.patch(json!({"spec": {"powered": true}})).await),
            ..scenario
        },
    ]
}

/// What changes while nobody looks.
fn truths(unseen: Scenario) -> Vec<Scenario> {
    vec![
        Scenario {
            name: "rotate token",
            act: act!(|world| {
                let token = format!("{}second", canary::TOKEN);
                world.plan.set_message(format!("refused for {token}"));
                world.provider.revoke_token("first");
                world.provider.add_token(&TokenSpec::full_access("second", &token));
                world.put_token(&token).await;
                world.patch(json!({"spec": {"tags": {"env": "test"}}})).await;
            }),
            goal: |world| has(world, "/tags/env", &json!("test")),
            ..unseen
        },
        Scenario {
            name: "password reset",
            act: act!(|world| {
                world.provider.reset_password(PROJECT, NAME);
            }),
            goal: secret_is_true,
            ..unseen
        },
        Scenario {
            name: "Secret deleted",
            act: act!(|world| {
                world.secrets().delete(NAME, &DeleteParams::default()).await.unwrap();
                world.until(|world| world.secret(NAME).is_none()).await;
            }),
            goal: secret_is_true,
            ..unseen
        },
        Scenario {
            name: "Secret edited",
            act: act!(|world| {
                world.put_secret(NAME, &json!({"VALKEY_PASSWORD": "edited"})).await;
                world
                    .until(|world| world.secret(NAME).is_some_and(|it| it["VALKEY_PASSWORD"] == "edited"))
                    .await;
            }),
            goal: secret_is_true,
            ..unseen
        },
    ]
}

/// What a resource may ask for beyond its settings.
fn policies(scenario: Scenario, unseen: Scenario) -> Vec<Scenario> {
    vec![
        Scenario {
            name: "adopt",
            prepare: act!(|world| make_foreign_service(world).await),
            act: act!(|world| world.create(json!({"adoptionPolicy": "Adopt", "plan": "business-4"})).await),
            goal: |world| has(world, "/plan", &json!("business-4")),
            ..scenario
        },
        Scenario {
            name: "drift",
            act: act!(|world| {
                world.provider.set_plan(PROJECT, NAME, "business-4");
            }),
            goal: |world| {
                let built = world.service().is_some_and(|service| service["state"] == "RUNNING");
                built && has(world, "/plan", &json!("startup-4")) && secret_is_true(world)
            },
            ..unseen
        },
        Scenario {
            name: "recreate",
            prepare: act!(|world| ready(world, json!({"recreatePolicy": "Always"})).await),
            act: act!(|world| {
                world.provider.delete_service(PROJECT, NAME);
            }),
            goal: secret_is_true,
            ..unseen
        },
        Scenario {
            name: "paused",
            act: act!(|world| {
                let paused = json!({"valkeeper.io/paused": "true"});
                let patch = json!({"metadata": {"annotations": paused}, "spec": {"plan": "business-4"}});
                world.patch(patch).await;
            }),
            goal: |world| {
                let status = world.valkey().and_then(|valkey| valkey.status.clone()).unwrap_or_default();
                status.conditions.iter().any(|condition| condition.type_ == "Paused")
            },
            end: End::Paused,
            ..unseen
        },
    ]
}

/// The ends of a life.
fn endings(scenario: Scenario, edited: Scenario) -> Vec<Scenario> {
    let gone: fn(&World) -> bool =
        |world| world.valkey().is_none() && world.secret(NAME).is_none() && world.token_is_free();
    vec![
        Scenario {
            name: "delete",
            act: act!(|world| world.delete().await),
            goal: gone,
            end: End::Gone,
            ..edited
        },
        Scenario {
            name: "delete while building",
            prepare: act!(|world| {
                world.create(json!({})).await;
                world.provider.set_time_per_request(std::time::Duration::ZERO);
                world.start_operator();
                world.until(|world| world.is("False", "Building")).await;
            }),
            act: act!(|world| world.delete().await),
            goal: gone,
            end: End::Gone,
            ..scenario
        },
        Scenario {
            name: "delete protected",
            prepare: act!(|world| ready(world, json!({"terminationProtection": true})).await),
            act: act!(|world| world.delete().await),
            goal: |world| world.is("False", "TerminationProtected"),
            end: End::Untouched,
            ..scenario
        },
        Scenario {
            name: "delete, protection lifted",
            prepare: act!(|world| ready(world, json!({"terminationProtection": true})).await),
            act: act!(|world| {
                world.patch(json!({"spec": {"terminationProtection": false}})).await;
                world.delete().await;
            }),
            goal: gone,
            end: End::Gone,
            operator_is_down: true,
        },
        Scenario {
            name: "orphan",
            prepare: act!(|world| {
                ready(world, json!({})).await;
                world.kill_operator().await;
                let policy = json!({"controllers.aiven.io/deletion-policy": "Orphan"});
                world.patch(json!({"metadata": {"annotations": policy}})).await;
            }),
            act: act!(|world| world.delete().await),
            goal: gone,
            end: End::Orphaned,
            operator_is_down: true,
        },
    ]
}

fn rich() -> Value {
    json!({
        "tags": {"env": "test"}, "userConfig": {"valkey_timeout": 600},
        "maintenanceWindowDow": "monday", "maintenanceWindowTime": "10:00:00",
        "technicalEmails": [{"email": "a@example.com"}],
    })
}

async fn ready(world: &mut World, spec: Value) {
    world.create(spec).await;
    world.start_operator();
    world.until(|world| world.is("True", "Running") && secret_is_true(world)).await;
}

async fn powered_off(world: &mut World) {
    world.settings.settle_time = std::time::Duration::from_secs(5);
    ready(world, json!({})).await;
    world.provider.take_backup(PROJECT, NAME);
    world.patch(json!({"spec": {"powered": false}})).await;
    world.until(|world| world.is("True", "PoweredOff")).await;
    world.kill_operator().await;
    world.settings.settle_time = std::time::Duration::ZERO;
    world.start_operator();
}

/// A service of the resource's name that it did not make.
async fn make_foreign_service(world: &mut World) {
    let body = json!({"service_name": NAME, "service_type": "valkey", "plan": "startup-4", "tags": {"theirs": "yes"}});
    post(world, "service", &body).await;
    world.before = world.service().unwrap()["tags"].clone();
}

async fn make_vpc(world: &mut World) {
    let body = json!({"cloud_name": "google-europe-west1", "network_cidr": "10.0.0.0/24", "peering_connections": []});
    let answer = post(world, "vpcs", &body).await;
    world.before = answer.get("project_vpc_id").unwrap_or(&answer["vpc"]["project_vpc_id"]).clone();
    world.provider.advance(std::time::Duration::from_hours(2));
}

async fn post(world: &World, what: &str, body: &Value) -> Value {
    let url = format!("{}/v1/project/{PROJECT}/{what}", world.provider_url());
    let request = reqwest::Client::new().post(url).json(body);
    let answer = request.header("authorization", format!("aivenv1 {}", world.token)).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The resource is ready, and the service has this value.
fn has(world: &World, path: &str, value: &Value) -> bool {
    world.is("True", "Running") && world.service().is_some_and(|service| service.pointer(path) == Some(value))
}

pub(crate) fn secret_is_true(world: &World) -> bool {
    let service = world.service();
    world.is("True", "Running") && world.secret(NAME) == service.as_ref().map(connection)
}
