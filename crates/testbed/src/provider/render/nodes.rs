//! The nodes of a service while they are built, replaced and removed. Guarantees that a service
//! that is being changed keeps its old nodes until the new ones hold the data.

use crate::provider::clock::Moment;
use crate::provider::lifecycle::{Cause, Lifecycle};
use crate::provider::service::Service;
use serde_json::{Value, json};

/// How far a build is, in percent.
fn progress(since: Moment, until: Moment, now: Moment) -> i64 {
    let total = (until - since).num_milliseconds().max(1);
    ((now - since).num_milliseconds() * 100 / total).clamp(0, 100)
}

/// Whether a first build is so far that endpoints and users are listed, although nothing answers yet.
pub(super) fn almost_built(service: &Service, now: Moment) -> bool {
    match service.lifecycle {
        Lifecycle::Building { since, until, .. } => progress(since, until, now) >= 85,
        _ => false,
    }
}

/// `node_states` of a service.
pub(super) fn states(service: &Service, now: Moment) -> Value {
    let nodes = service.plan.nodes;
    match service.lifecycle {
        Lifecycle::PoweredOff { .. } => json!([]),
        Lifecycle::Building { cause, since, until } => building(service, cause, progress(since, until, now)),
        Lifecycle::Rebalancing { .. } => {
            let mut states = run(service, service.first_node, nodes, "running", None);
            states.extend(run(service, service.first_node + nodes, 1, "syncing_data", None));
            states.into()
        }
        Lifecycle::Running { .. } | Lifecycle::PoweringOff { .. } => {
            run(service, service.first_node, nodes, "running", None).into()
        }
    }
}

fn building(service: &Service, cause: Cause, percent: i64) -> Value {
    let nodes = service.plan.nodes;
    let (mut states, first) = match cause {
        Cause::Change if percent < 85 => {
            (run(service, service.first_node, nodes, "running", None), service.first_node + nodes)
        }
        Cause::Change => {
            (run(service, service.first_node, nodes, "leaving", None), service.first_node + nodes)
        }
        Cause::Create | Cause::PowerOn if service.ever_ran => (Vec::new(), service.first_node + nodes),
        Cause::Create | Cause::PowerOn => (Vec::new(), service.first_node),
    };
    match percent {
        ..15 => {}
        15..50 => states.extend(run(service, first, 1, "setting_up_vm", Some(prepare()))),
        50..85 => states.extend(run(service, first, nodes, "syncing_data", Some(restore(percent)))),
        _ => states.extend(run(service, first, nodes, "running", None)),
    }
    states.into()
}

fn prepare() -> Value {
    json!({ "completed": false, "current": null, "max": null, "min": null, "phase": "prepare", "unit": null })
}

fn restore(percent: i64) -> Value {
    let bytes = 104_857_600_i64;
    json!({
        "completed": false, "current": bytes * (percent - 50) / 35, "max": bytes, "min": 0, "phase": "basebackup",
        "unit": "bytes_compressed",
    })
}

/// `count` nodes from number `first`, all in one state.
fn run(service: &Service, first: u32, count: u32, state: &str, update: Option<Value>) -> Vec<Value> {
    let region = service.cloud.name.split_once('-').map_or("", |(_, region)| region);
    let updates = update.into_iter().collect::<Vec<_>>();
    (0..count)
        .map(|index| {
            let number = first + index;
            let mut node = json!({
                "availability_zone": null, "name": format!("{}-{number}", service.name),
                "progress_updates": updates, "state": state,
            });
            if state != "setting_up_vm" {
                let zone = char::from(b'b' + u8::try_from(index % 3).unwrap_or_default());
                node["availability_zone"] = format!("{region}-{zone}").into();
                node["role"] = role(service, index).into();
            }
            node
        })
        .collect()
}

fn role(service: &Service, index: u32) -> &'static str {
    match (service.is_replica(), index) {
        (true, _) => "read-replica",
        (false, 0) => "master",
        (false, _) => "standby",
    }
}
