//! The life of a user of a service: made, given another password and other rights, ended.

use super::{READY, Scenario, secret_is_true};
use crate::world::{NAME, PROJECT, TOKEN_SECRET, USER, World};
use futures::FutureExt as _;
use serde_json::{Value, json};

const PASSWORD_SECRET: &str = "password";

/// The life of a user whose service runs all along.
pub(super) fn users(scenario: Scenario) -> Vec<Scenario> {
    let with_user = Scenario {
        prepare: act!(|world| {
            READY(watching(world)).await;
            world.create_user(spec(json!({}))).await;
            world.until(|world| is_as_declared(world, "shop:*")).await;
        }),
        ..scenario
    };
    vec![
        Scenario {
            name: "create a user",
            prepare: act!(|world| READY(watching(world)).await),
            act: act!(|world| world.create_user(spec(json!({}))).await),
            goal: |world| is_as_declared(world, "shop:*"),
            ..scenario
        },
        Scenario {
            name: "create a user with a password",
            prepare: act!(|world| {
                READY(watching(world)).await;
                world.put_secret(PASSWORD_SECRET, &json!({"word": password()})).await;
            }),
            act: act!(|world| world.create_user(spec(with_password())).await),
            goal: |world| is_as_declared(world, "shop:*") && has_password(world),
            ..scenario
        },
        Scenario {
            name: "change a user",
            act: act!(|world| {
                world.put_secret(PASSWORD_SECRET, &json!({"word": password()})).await;
                let mut spec = with_password();
                spec["accessControl"] = json!({"valkeyAclKeys": ["cart:*"]});
                world.patch_user(json!({"spec": spec})).await;
            }),
            goal: |world| is_as_declared(world, "cart:*") && has_password(world),
            ..with_user
        },
        Scenario {
            name: "delete a user",
            act: act!(|world| world.delete_user().await),
            goal: |world| world.user().is_none() && at_aiven(world).is_none() && secret_is_true(world),
            ..with_user
        },
    ]
}

/// The operator of this run watches users.
fn watching(world: &mut World) -> &mut World {
    world.settings.no_service_users = false;
    world
}

fn spec(more: Value) -> Value {
    let mut spec = json!({
        "project": PROJECT, "serviceName": NAME, "authSecretRef": {"name": TOKEN_SECRET, "key": "token"},
        "accessControl": {"valkeyAclKeys": ["shop:*"], "valkeyAclCategories": ["+@read"]},
    });
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    spec
}

fn with_password() -> Value {
    json!({"connInfoSecretSource": {"name": PASSWORD_SECRET, "passwordKey": "word"}})
}

fn password() -> String {
    format!("{}declared", crate::canary::PASSWORD)
}

/// The provider's own view of the user.
pub(crate) fn at_aiven(world: &World) -> Option<Value> {
    let users = world.service()?["users"].as_array()?.clone();
    users.into_iter().find(|user| user["username"] == USER)
}

/// The user has these keys at Aiven, its Secret what Aiven says, and its status says so.
fn is_as_declared(world: &World, keys: &str) -> bool {
    let (Some(user), Some(secret)) = (at_aiven(world), world.secret(USER)) else { return false };
    let status = world.user().and_then(|user| {
        let status = user.status.clone()?;
        (status.observed_generation == user.metadata.generation).then_some(status)
    });
    let is_ready = |entry: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        entry.type_ == "Ready" && entry.status == "True"
    };
    status.is_some_and(|status| status.created && status.conditions.iter().any(is_ready))
        && user["access_control"]["valkey_acl_keys"] == json!([keys])
        && user["password"] == secret["SERVICEUSER_PASSWORD"]
        && secret_is_true(world)
}

fn has_password(world: &World) -> bool {
    world.secret(USER).is_some_and(|secret| secret["SERVICEUSER_PASSWORD"] == password())
}
