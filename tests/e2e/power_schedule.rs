//! Power off and on by a schedule. Switches are relative to the time of the test; the engine's tables have the calendar.

use crate::world::{World, until};
use chrono::{DateTime, Duration, Timelike as _, Utc};
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use valkeeper_api::{Valkey, names};

crate::scenarios![
    service_is_off_while_its_schedule_says_so;
    switch_comes_on_time_without_a_resync,
    override_holds_and_is_recorded_before_it_is_sent,
    override_that_is_over_is_removed,
    powered_false_wins_over_the_schedule,
    removed_schedule_powers_the_service_on,
    unusable_schedule_is_named_and_stops_nothing_else,
];

/// Once a day, at the minute that lies this many hours from now.
fn daily(hours: i64) -> String {
    let at = Utc::now() + Duration::hours(hours);
    format!("{} {} * * *", at.minute(), at.hour())
}

/// A schedule whose last switch was off, and whose next one is on; neither is near.
fn off_now() -> Value {
    json!({"offAt": daily(-6), "onAt": daily(6)})
}

fn on_now() -> Value {
    json!({"offAt": daily(6), "onAt": daily(-6)})
}

async fn annotate(world: &World, power: Option<&str>) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {names::POWER: power}}}));
    world.valkeys().patch("cache", &PatchParams::default(), &patch).await.unwrap();
}

async fn powered_off(world: &World) -> Valkey {
    world.until_ready_for("cache", "PoweredOff").await
}

fn until_of(valkey: &Valkey) -> Option<DateTime<Utc>> {
    Some(valkey.status.as_ref()?.power_schedule.as_ref()?.overridden.as_ref()?.until)
}

async fn service_is_off_while_its_schedule_says_so(world: World) -> World {
    world.create_valkey("cache", json!({"powerSchedule": off_now()})).await;
    let valkey = powered_off(&world).await;
    assert_eq!(world.service("cache").unwrap()["state"], "POWEROFF");
    let status = valkey.status.unwrap();
    let schedule = status.power_schedule.unwrap();
    let (next_off, next_on) = (schedule.next_off.unwrap(), schedule.next_on.unwrap());
    assert!(Utc::now() < next_on && next_on < next_off);
    let condition = status.conditions.iter().find(|entry| entry.type_ == "Ready").unwrap();
    assert!(condition.message.contains("spec.powerSchedule declares until"), "{}", condition.message);
    // What is off by its schedule stays as it is.
    let writes = world.writes();
    let reads = world.provider.requests().len();
    until(|| async { world.provider.requests().len() }, |count| *count > reads + 3).await;
    assert_eq!(world.writes(), writes);
    world
}

/// Each minute one switch. The resync interval is longer than the test, so only the switch itself wakes the resource.
async fn switch_comes_on_time_without_a_resync(mut world: World) -> World {
    let hour = std::time::Duration::from_hours(1);
    world.restart_with(|settings| settings.resync_interval = hour).await;
    world.ready_valkey("cache", json!({})).await;
    let backups = || async { world.service("cache").unwrap()["backups"].as_array().unwrap().len() };
    until(backups, |count| *count > 0).await;
    // The next even minute is off, or the one after it.
    world.edit("cache", json!({"powerSchedule": {"offAt": "*/2 * * * *", "onAt": "1-59/2 * * * *"}})).await;
    let state = || async { world.service("cache").unwrap()["state"] == "POWEROFF" };
    let before = state().await;
    let switched = || async {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(55);
        while state().await == before && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        state().await != before
    };
    assert!(switched().await || switched().await, "no switch within two minutes");
    world
}

async fn override_holds_and_is_recorded_before_it_is_sent(mut world: World) -> World {
    world.create_valkey("cache", json!({"powerSchedule": off_now()})).await;
    let next_on = powered_off(&world).await.status.unwrap().power_schedule.unwrap().next_on;
    annotate(&world, Some("On")).await;
    let valkey = world.until_ready("cache").await;
    assert_eq!(until_of(&valkey), next_on, "until the next switch");
    // A restart neither forgets nor repeats it.
    world.restart_with(|_| {}).await;
    let writes = world.writes();
    let reads = world.provider.requests().len();
    until(|| async { world.provider.requests().len() }, |count| *count > reads + 3).await;
    assert_eq!((world.writes(), until_of(&world.until_ready("cache").await)), (writes, next_on));

    annotate(&world, None).await;
    let valkey = powered_off(&world).await;
    assert_eq!(until_of(&valkey), None);
    world
}

/// The status holds an override whose end has come, as after a switch of the schedule.
async fn override_that_is_over_is_removed(mut world: World) -> World {
    world.ready_valkey("cache", json!({"powerSchedule": on_now()})).await;
    world.kill_operator().await;
    annotate(&world, Some("Off")).await;
    let ended = Utc::now() - Duration::hours(1);
    let status = json!({"status": {"powerSchedule": {"override": {"powered": false, "until": ended}}}});
    let api = world.valkeys();
    api.patch_status("cache", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    world.start_operator().await;
    world.until_valkey("cache", |valkey| !valkey.annotations().contains_key(names::POWER)).await;
    assert_eq!(world.service("cache").unwrap()["state"], "RUNNING");
    assert_eq!(world.count("PUT", "/service/cache"), 0, "the service was never switched");
    world
}

async fn powered_false_wins_over_the_schedule(world: World) -> World {
    world.create_valkey("cache", json!({"powerSchedule": on_now(), "powered": false})).await;
    let valkey = powered_off(&world).await;
    assert!(valkey.status.unwrap().power_schedule.is_none(), "the schedule is suspended");
    annotate(&world, Some("On")).await;
    world.edit("cache", json!({"tags": {"edited": "1"}})).await;
    powered_off(&world).await;
    world.edit("cache", json!({"powered": true})).await;
    world.until_ready("cache").await;
    world
}

async fn removed_schedule_powers_the_service_on(world: World) -> World {
    world.create_valkey("cache", json!({"powerSchedule": off_now()})).await;
    powered_off(&world).await;
    world.edit("cache", json!({"powerSchedule": null})).await;
    let valkey = world.until_ready("cache").await;
    assert!(valkey.status.unwrap().power_schedule.is_none());
    world
}

async fn unusable_schedule_is_named_and_stops_nothing_else(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let schedule = json!({"offAt": "0 20 * * *", "onAt": "0 7 30 2 *"});
    world.edit("cache", json!({"powerSchedule": schedule, "tags": {"env": "test"}})).await;
    let message = world.until_not_ready("cache", "InvalidSpec").await;
    assert!(message.contains("spec.powerSchedule.onAt"), "{message}");
    until(|| async { world.service("cache").unwrap()["tags"]["env"].clone() }, |tag| tag == "test").await;
    assert_eq!(world.service("cache").unwrap()["state"], "RUNNING");
    world
}
