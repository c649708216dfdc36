//! External changes that no watch delivers, and what a resource may request beyond its settings.

use super::{End, Scenario, beginnings::make_foreign_service, has, ready, secret_is_true};
use crate::{
    canary,
    world::{NAME, PROJECT, World},
};
use futures::FutureExt as _;
use kube::api::DeleteParams;
use serde_json::json;
use valkeeper_testbed::provider::TokenSpec;

/// Changes that no watch delivers.
pub(super) fn truths(unseen: Scenario) -> Vec<Scenario> {
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

/// Requests of a resource beyond its settings.
pub(super) fn policies(scenario: Scenario, unseen: Scenario) -> Vec<Scenario> {
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
