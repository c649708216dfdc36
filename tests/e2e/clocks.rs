//! Clocks that jump: operators as processes whose wall clock is set forwards and backwards by days in the middle of
//! their work, by `libfaketime`. The lease, which the operator writes its time into, shows that each jump has arrived.
//! Nothing but the times that people read may differ. The way to the API server has no TLS, because whether a
//! certificate is valid is what a wrong clock may decide.

use crate::{
    door::Door,
    process::{Operator, Start, without_operator},
    world::{World, ready, until},
};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use serde_json::json;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use valkeeper_testbed::tools;

crate::scenarios![a_clock_that_jumps_by_days_decides_nothing, standby_with_a_wrong_clock_waits_for_the_lease,];

const DAY: i64 = 24 * 60 * 60;
/// Long, so that no slow machine loses a lease; with frequent reads.
const ELECTION: [&str; 4] = [
    "--leader-elect-lease-duration=120s",
    "--leader-elect-renew-deadline=100s",
    "--leader-elect-retry-period=200ms",
    "--resync-interval=200ms",
];

/// The wall clock of one process.
struct Clock {
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl Clock {
    /// One that is correct; none where clocks cannot be set.
    fn new() -> Option<Self> {
        let library = tools::FAKETIME.or_skip()?;
        let clock = Self { folder: tempfile::tempdir().unwrap(), library };
        clock.set(0);
        Some(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// Sets it so many days before or after the true time, in one move.
    fn set(&self, days: i64) {
        let next = self.folder.path().join("next");
        std::fs::write(&next, format!("{days:+}d\n")).unwrap();
        std::fs::rename(next, self.file()).unwrap();
    }

    fn environment(&self) -> BTreeMap<&'static str, OsString> {
        let text = |text: &str| OsString::from(text);
        BTreeMap::from([
            ("LD_PRELOAD", self.library.clone().into_os_string()),
            ("FAKETIME_TIMESTAMP_FILE", Path::new(&self.file()).as_os_str().to_owned()),
            ("FAKETIME_NO_CACHE", text("1")),
            // A clock that is set changes this one only.
            ("DONT_FAKE_MONOTONIC", text("1")),
        ])
    }

    fn start(&self, world: &World, door: &Door) -> Operator {
        let kubeconfig = Some(door.kubeconfig());
        Operator::start_with(world, Start { kubeconfig, environment: self.environment(), flags: &ELECTION })
    }
}

async fn lease(world: &World) -> LeaseSpec {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.lease_namespace());
    leases.get_opt("valkeeper").await.unwrap().and_then(|lease| lease.spec).unwrap_or_default()
}

/// Days from now to a time, rounded.
fn days_off(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let off = seconds - i64::try_from(now).unwrap();
    (off + off.signum() * DAY / 2) / DAY
}

/// Sets the clock of the leader, and waits until the leader shows it.
async fn jump(world: &World, clock: &Clock, days: i64) {
    clock.set(days);
    let shown = |lease: &LeaseSpec| lease.renew_time.as_ref().map(|time| days_off(time.0.as_second()));
    until(|| lease(world), |lease| shown(lease) == Some(days)).await;
}

/// Waits until the leader has compared the service a few times more.
async fn compares(world: &World) {
    let reads = || async { world.count("GET", "/service/cache") };
    let before = reads().await;
    until(reads, |now| *now >= before + 3).await;
}

async fn a_clock_that_jumps_by_days_decides_nothing(mut world: World) -> World {
    if !without_operator(&mut world).await {
        return world;
    }
    let Some(clock) = Clock::new() else { return world };
    world.provider.set_build_time(Duration::from_hours(1));
    let door = Door::open(&world).await;
    let operator = clock.start(&world, &door);
    operator.leads().await;
    jump(&world, &clock, 3).await;
    let term = lease(&world).await;
    world.create_valkey("cache", json!({})).await;
    world.until_not_ready("cache", "Building").await;
    jump(&world, &clock, -4).await;
    compares(&world).await;
    world.provider.advance(Duration::from_hours(2));
    let valkey = world.until_ready("cache").await;
    let changed = ready(&valkey).unwrap().last_transition_time.0.as_second();
    assert_eq!(days_off(changed), -4, "people read the time that the operator was told");

    for days in [30, -30, 0] {
        jump(&world, &clock, days).await;
        compares(&world).await;
        let (sent, written) = (world.writes(), without_lease(&door));
        compares(&world).await;
        assert_eq!((world.writes(), without_lease(&door)), (sent, written), "at rest, {days} days off");
    }
    world.provider.set_build_time(Duration::ZERO);
    let sent = world.writes();
    world.edit("cache", json!({"plan": "business-4"})).await;
    jump(&world, &clock, -2).await;
    until(|| async { world.service("cache").unwrap() }, |it| it["plan"] == "business-4").await;
    world.until_ready("cache").await;
    assert_eq!(world.writes(), sent + 1);
    assert_eq!(world.count("POST", "/service"), 1);
    let password = world.service("cache").unwrap()["service_uri_params"]["password"].clone();
    assert_eq!(json!(world.secret("cache").await["VALKEY_PASSWORD"]), password);
    let now = lease(&world).await;
    assert_eq!(
        (term.holder_identity, term.lease_transitions, term.acquire_time),
        (now.holder_identity, now.lease_transitions, now.acquire_time)
    );
    assert_eq!(operator.logged("lost leadership"), 0);
    world
}

/// The writes of the operator, except renewals of its lease.
fn without_lease(door: &Door) -> Vec<String> {
    door.calls.writes().into_iter().filter(|call| !call.contains("/leases/")).collect()
}

async fn standby_with_a_wrong_clock_waits_for_the_lease(mut world: World) -> World {
    if !without_operator(&mut world).await {
        return world;
    }
    let Some(clock) = Clock::new() else { return world };
    let Some(other) = Clock::new() else { return world };
    let (door, second_door) = (Door::open(&world).await, Door::open(&world).await);
    let first = clock.start(&world, &door);
    first.leads().await;
    world.ready_valkey("cache", json!({})).await;
    let term = lease(&world).await;
    // To this one, the lease was renewed last four days ago; then four days from now.
    other.set(4);
    let second = other.start(&world, &second_door);
    for days in [4, -4] {
        other.set(days);
        let reads =
            || async { second_door.calls.reads().iter().filter(|call| call.contains("/leases/")).count() };
        let before = reads().await;
        until(reads, |now| *now >= before + 5).await;
        assert_eq!(lease(&world).await.holder_identity, term.holder_identity, "{days} days off");
    }
    assert_eq!((second.logged("became leader"), first.logged("lost leadership")), (0, 0));

    let sent = world.writes();
    first.signal("-TERM");
    second.leads().await;
    jump(&world, &other, -4).await;
    compares(&world).await;
    assert_eq!(world.writes(), sent, "nothing was to be done");
    world.edit("cache", json!({"plan": "business-4"})).await;
    jump(&world, &other, 4).await;
    until(|| async { world.service("cache").unwrap() }, |it| it["plan"] == "business-4").await;
    world.until_ready("cache").await;
    assert_eq!((world.writes(), world.count("POST", "/service")), (sent + 1, 1));
    assert_eq!(lease(&world).await.lease_transitions, term.lease_transitions.map(|count| count + 1));
    world
}
