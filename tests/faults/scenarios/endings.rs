//! How a life ends: with the service, without it, or not yet.

use super::{End, Scenario, ready};
use crate::world::{NAME, World};
use futures::FutureExt as _;
use serde_json::json;

/// The ends of a life.
pub(super) fn endings(scenario: Scenario, edited: Scenario) -> Vec<Scenario> {
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
