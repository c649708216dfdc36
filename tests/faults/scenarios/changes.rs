//! Changes by users: settings, one or several together, and whether the service is on.

use super::{End, Scenario, has, ready};
use crate::world::{NAME, OTHER_TOKEN_SECRET, PROJECT, World};
use futures::FutureExt as _;
use serde_json::json;
use valkeeper_api::names;

/// What users change.
pub(super) fn edits(scenario: Scenario, edited: Scenario) -> Vec<Scenario> {
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

/// Maintenance that does not wait for its window.
pub(super) fn maintenance(scenario: Scenario) -> Vec<Scenario> {
    vec![Scenario {
        name: "apply maintenance",
        prepare: act!(|world| {
            // The service still runs when its maintenance was just accepted.
            world.settings.stabilization_period = std::time::Duration::from_millis(500);
            ready(world, json!({})).await;
            let far = std::time::Duration::from_hours(10_000);
            world.provider.announce_maintenance(PROJECT, NAME, "an update", far, None);
        }),
        act: act!(|world| {
            let annotations = json!({names::APPLY_MAINTENANCE: "now"});
            world.patch(json!({"metadata": {"annotations": annotations}})).await;
        }),
        goal: |world| {
            let status = world.valkey().and_then(|valkey| valkey.status.clone());
            let handled = status.and_then(|status| status.last_handled_apply_maintenance);
            let is_applied = |service: serde_json::Value| service["maintenance"]["updates"] == json!([]);
            handled.as_deref() == Some("now")
                && world.service().is_some_and(is_applied)
                && super::secret_is_true(world)
        },
        ..scenario
    }]
}

/// A ConfigMap besides the Secret.
pub(super) fn shapes(edited: Scenario) -> Vec<Scenario> {
    vec![Scenario {
        name: "add a ConfigMap",
        act: act!(|world| {
            let target = json!({"name": "parameters"});
            world.patch(json!({"spec": {"connInfoConfigMapTarget": target}})).await;
        }),
        goal: |world| {
            let status = world.valkey().and_then(|valkey| valkey.status.clone());
            let written = status.is_some_and(|status| status.facts.connection_config_map.is_some());
            written && super::secret_is_true(world)
        },
        ..edited
    }]
}

/// Another Secret with a token, which is protected from then on; the former one is released.
pub(super) fn tokens(scenario: Scenario) -> Vec<Scenario> {
    vec![Scenario {
        name: "name another token",
        prepare: act!(|world| {
            world.put_secret(OTHER_TOKEN_SECRET, &json!({"token": world.token})).await;
            ready(world, json!({})).await;
        }),
        act: act!(|world| {
            world.patch(json!({"spec": {"authSecretRef": {"name": OTHER_TOKEN_SECRET}}})).await;
        }),
        goal: |world| world.is("True", "Running") && world.token_is_free() && world.holds(OTHER_TOKEN_SECRET),
        ..scenario
    }]
}

/// Off and on.
pub(super) fn switches(scenario: Scenario) -> Vec<Scenario> {
    vec![
        Scenario {
            name: "power off",
            prepare: act!(|world| {
                // The provider reports RUNNING for a while after it has accepted.
                world.settings.stabilization_period = std::time::Duration::from_secs(5);
                ready(world, json!({})).await;
                world.provider.take_backup(PROJECT, NAME);
            }),
            act: act!(|world| world.patch(json!({"spec": {"powered": false}})).await),
            goal: |world| world.is("True", "PoweredOff"),
            end: End::PoweredOff,
            ..scenario
        },
        Scenario {
            name: "power off by schedule",
            prepare: act!(|world| {
                world.settings.stabilization_period = std::time::Duration::from_secs(5);
                ready(world, json!({})).await;
                world.provider.take_backup(PROJECT, NAME);
            }),
            act: act!(|world| {
                // Off six hours ago, on in six hours.
                let daily = |hours| {
                    let at = chrono::Utc::now() + chrono::Duration::hours(hours);
                    at.format("%-M %-H * * *").to_string()
                };
                let schedule = json!({"offAt": daily(-6), "onAt": daily(6)});
                world.patch(json!({"spec": {"powerSchedule": schedule}})).await;
            }),
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

async fn powered_off(world: &mut World) {
    world.settings.stabilization_period = std::time::Duration::from_secs(5);
    ready(world, json!({})).await;
    world.provider.take_backup(PROJECT, NAME);
    world.patch(json!({"spec": {"powered": false}})).await;
    world.until(|world| world.is("True", "PoweredOff")).await;
    world.kill_operator().await;
    world.settings.stabilization_period = std::time::Duration::ZERO;
    world.start_operator();
}
