//! Conditions that must hold once a run has come to rest: on the world, on the calls that led there, and on a
//! restarted operator, which finds nothing to do.

use crate::{
    canary,
    scenarios::{End, Scenario, secret_is_true},
    world::{NAME, TIME_PER_REQUEST, World},
};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::Value;
use std::time::Duration;
use valkeeper_api::names::OWNER_TAG;
use valkeeper_testbed::{
    faults::{CallRecord, Lane, Side},
    provider::FOREIGN_TAG,
};

/// Reconciliations in which a restarted operator may still write: where the fault hit the last call, the first one
/// has to repeat it. Reading the result then resembles the beginning of another one.
const FIRST_RECONCILIATIONS: usize = 2;
/// Reconciliations after those that must not write.
const IDLE_RECONCILIATIONS: usize = 2;
/// Reconciliations after those in turn, so that no call of theirs is in progress any more: a resource and its user are
/// reconciled side by side.
const LATER_RECONCILIATIONS: usize = 2;
/// How often those reconciliations are run again because a call among them was not answered in time.
const MOST_LATE: usize = 5;

/// Calls in which every run of one fault or two comes to rest, of all counters.
const MOST_CALLS: usize = 250;

/// The world as a scenario found it, to be compared with how it left it.
pub(crate) struct Before {
    service: Option<Value>,
    secret: Option<std::collections::BTreeMap<String, String>>,
}

impl Before {
    pub(crate) fn of(world: &World) -> Self {
        Self { service: world.service(), secret: world.secret(NAME) }
    }
}

/// Judges the end of a run; what is wrong goes to the world's violations.
pub(crate) async fn judge(world: &World, scenario: &Scenario, before: &Before, calls: &[CallRecord]) {
    let check = |holds: bool, rule: &str| {
        if !holds {
            world.violations.add(rule.to_owned());
        }
    };
    let creations = calls.iter().filter(|call| is_creation(call) && call.executed).count();
    check(creations <= 1, "a service was created twice");
    check(world.provider.service_count() <= 1, "there are two services");
    let service = world.service();
    let owned =
        service.as_ref().is_some_and(|service| service["tags"][OWNER_TAG].as_str() == world.uid().as_deref());
    match scenario.end {
        End::Serving => {
            check(owned, "the service is not marked as ours");
            check(secret_is_true(world), "the Secret is not what the provider says");
        }
        End::PoweredOff => {
            check(owned, "the service is not marked as ours");
            check(service.is_some_and(|service| service["state"] == "POWEROFF"), "the service is not off");
            check(world.secret(NAME) == before.secret, "the Secret was changed");
        }
        End::Gone => check(service.is_none(), "a service is left that nobody owns"),
        End::Orphaned => check(service.is_some(), "the service is gone"),
        End::Paused => {
            let wrote =
                |call: &&CallRecord| call.request.side == Side::Provider && call.request.method != "GET";
            check(!calls.iter().any(|call| wrote(&call)), "a paused resource was worked on");
        }
        End::Untouched => {
            let settings = |service: &Option<Value>| {
                service.as_ref().map(|it| (it["plan"].clone(), tags(it), it["user_config"].clone()))
            };
            let unchanged = before.service.is_none() || settings(&service) == settings(&before.service);
            check(unchanged, "somebody else's service was changed");
            check(before.service.is_none() || service.is_some(), "the service is gone");
            check(world.secret(NAME) == before.secret, "somebody else's Secret was changed");
        }
    }
    check(!any_secret_shows(world).await, "a secret in an event, a status or an annotation");
    check(!canary::shows(&world.exported()), "a secret in a metric");
    check(calls.len() <= MOST_CALLS, "it took too many calls to come to rest");
}

/// The tags of a service, without what a policy of the provider adds.
fn tags(service: &Value) -> Value {
    let mut tags = service["tags"].clone();
    if let Some(tags) = tags.as_object_mut() {
        tags.remove(FOREIGN_TAG.0);
    }
    tags
}

/// Restarts the operator with reconciliations in quick succession: none of them may write anything.
pub(crate) async fn stays_at_rest(world: &mut World, scenario: &Scenario) {
    world.kill_operator().await;
    if world.valkey().is_none() || scenario.end == End::Paused {
        return;
    }
    world.settings.resync_interval = Duration::from_millis(10);
    world.plan.arm(world.all_along.clone());
    world.start_operator();
    completes_reconciliations(world, FIRST_RECONCILIATIONS).await;
    // A change at the provider is a reason to write, so nothing may change: neither in these reconciliations, nor
    // between the last read before them and the first of them.
    world.provider.set_time_per_request(Duration::ZERO);
    let mut idle = idle_writes(world).await;
    for _ in 0..MOST_LATE {
        if idle.is_ok() {
            break;
        }
        idle = idle_writes(world).await;
    }
    match idle {
        Ok(writes) => writes.into_iter().for_each(|write| {
            world.violations.add(format!("a write although nothing was to be done: {write}"));
        }),
        Err(late) => world.violations.add(format!("no answer in time, again and again: {late}")),
    }
    world.provider.set_time_per_request(TIME_PER_REQUEST);
    let goal = scenario.goal;
    if !world.reaches(goal).await {
        world.violations.add("the goal did not last".to_owned());
    }
    world.kill_operator().await;
}

/// Writes in the reconciliations after the next one. Unknown when a call was not answered in time, as happens on a
/// busy machine: that is one more fault, which a later run has to compensate.
async fn idle_writes(world: &World) -> Result<Vec<String>, String> {
    let next = world.plan.count(starts_a_reconciliation);
    completes_reconciliations(world, next + 1 + IDLE_RECONCILIATIONS + LATER_RECONCILIATIONS).await;
    let calls = world.plan.calls();
    let reconciliations = reconciliations(&calls);
    let late = reconciliations.iter().skip(next).take(1 + IDLE_RECONCILIATIONS).flat_map(|pass| work(pass));
    if let Some(late) = late.into_iter().find(|call| call.status.is_none()) {
        return Err(format!("{late:?}"));
    }
    let idle = reconciliations.iter().skip(next + 1).take(IDLE_RECONCILIATIONS).flat_map(|pass| work(pass));
    let writes = idle.filter(|call| call.request.method != "GET");
    Ok(writes.map(|call| format!("{call:?} {}", call.request.body)).collect())
}

/// Waits until the operator has completed so many reconciliations.
async fn completes_reconciliations(world: &World, complete: usize) {
    if !world.reaches(|world| world.plan.count(starts_a_reconciliation) > complete).await {
        world.violations.add("a new operator does not reconcile".to_owned());
    }
}

/// The calls of each reconciliation.
fn reconciliations(calls: &[CallRecord]) -> Vec<&[CallRecord]> {
    let starts: Vec<usize> =
        (0..calls.len()).filter(|index| starts_a_reconciliation(&calls[*index])).collect();
    let ends = starts.iter().skip(1).copied().chain([calls.len()]);
    starts.iter().zip(ends).map(|(start, end)| &calls[*start..end]).collect()
}

/// Every reconciliation begins with a read of the service.
fn starts_a_reconciliation(call: &CallRecord) -> bool {
    call.request.method == "GET" && call.request.path.ends_with(&format!("/service/{NAME}"))
}

pub(crate) fn is_creation(call: &CallRecord) -> bool {
    call.request.side == Side::Provider
        && call.request.method == "POST"
        && call.request.path.ends_with("/service")
}

/// Calls of the lane that decisions depend on.
pub(crate) fn work(calls: &[CallRecord]) -> impl Iterator<Item = &CallRecord> {
    calls.iter().filter(|call| call.request.lane == Lane::Work)
}

async fn any_secret_shows(world: &World) -> bool {
    let client = world.surroundings.client.clone();
    let events: Api<Event> = Api::namespaced(client, &world.namespace);
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let valkey = world.valkeys().get_opt(NAME).await.unwrap();
    canary::shows(&serde_json::to_string(&(events, valkey)).unwrap())
}
