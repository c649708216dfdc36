//! One fault at every call, in every way, in every scenario; and one schedule again, by the line that a
//! failure prints.

use crate::{
    canary,
    cluster::Place,
    matrix::{self, Outcome, Run, WatchDelivery},
    report,
    sample::Extent,
    scenarios::{self, Scenario},
    surroundings::Surroundings,
};
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use valkeeper_testbed::faults::{Lane, Mode, Place as Call, Schedule, Side};

/// Calls that one fault may cost beyond those of a run without faults: at most two more reconciliations, and the
/// reads of a service that is slow to change.
const MOST_EXTRA: usize = 40;

/// Nothing depends on an event, so these stand for all.
const EVENT_MODES: [Mode; 5] =
    [Mode::CrashBefore, Mode::CrashAfter, Mode::LostResponse, Mode::Malformed, Mode::Status(403)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_at_any_call_on_the_sandbox() {
    singles(Place::Sandbox).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_at_any_call_on_a_real_api_server() {
    singles(Place::Real).await;
}

/// Runs `VALKEEPER_FAULTS` in `VALKEEPER_SCENARIO`, and prints every call; with `VALKEEPER_REAL`, on a real API server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay() {
    let (Ok(line), Ok(name)) = (std::env::var("VALKEEPER_FAULTS"), std::env::var("VALKEEPER_SCENARIO"))
    else {
        return;
    };
    let real = std::env::var_os("VALKEEPER_REAL").is_some();
    let place = if real { Place::Real } else { Place::Sandbox };
    let Some(surroundings) = Surroundings::start(place).await else { return };
    let scenario =
        scenarios::all().into_iter().find(|scenario| scenario.name == name).expect("no such scenario");
    let delivery =
        WatchDelivery::parse(&std::env::var("VALKEEPER_TOLD").unwrap_or_default()).expect("VALKEEPER_TOLD");
    let run = Run { delivery, ..Run::new(scenario, Schedule::parse(&line).unwrap()) };
    let outcome = matrix::run(surroundings, run).await;
    println!("{name}: {} calls, {} events, {} crashes", outcome.calls, outcome.events, outcome.crashes);
    outcome.log.iter().for_each(|call| println!("    {call:?}"));
    expect_clean(&[outcome]);
}

async fn singles(place: Place) {
    let started = Instant::now();
    let Some(surroundings) = Surroundings::start(place).await else { return };
    let baselines = baselines(&surroundings).await;
    let extent = Extent::wanted(place);
    let (mut hanging, mut runs) = (Vec::new(), Vec::new());
    for (number, (scenario, baseline)) in baselines.iter().enumerate() {
        let chosen = |call, mode| extent.includes(number, call, mode);
        for (run, hangs) in runs_of(*scenario, baseline, chosen) {
            if hangs { &mut hanging } else { &mut runs }.push(run);
        }
    }
    let (hanging, outcomes) = futures::future::join(
        matrix::run_all(&surroundings, hanging, 48),
        matrix::run_all(&surroundings, runs, matrix::at_a_time()),
    )
    .await;
    let outcomes: Vec<_> = hanging.into_iter().chain(outcomes).collect();
    println!("{} runs in {:?}, {place:?}, {extent:?}", outcomes.len(), started.elapsed());
    let table = report::table(&baselines, &outcomes);
    println!("{table}");
    expect_clean(&outcomes);
    expect_short(&baselines, &outcomes);
    if std::env::var_os("VALKEEPER_SCENARIO").is_none() {
        report::publish(if place == Place::Sandbox { "singles" } else { "real" }, &table);
    }
}

/// The chosen runs of a scenario, with one fault each, and whether the operator waits for long in them, without doing
/// anything meanwhile.
fn runs_of(scenario: Scenario, baseline: &Outcome, chosen: impl Fn(usize, Mode) -> bool) -> Vec<(Run, bool)> {
    let mut runs = Vec::new();
    for (number, call) in baseline.log.iter().enumerate().take(baseline.calls) {
        let side = call.request.side;
        for mode in Mode::ALL.into_iter().filter(|mode| mode.suits(side) && chosen(number, *mode)) {
            let dripping = mode == Mode::SlowBody && side == Side::Provider;
            let hangs = matches!(mode, Mode::Hang | Mode::Late) || dripping;
            runs.push((Run::new(scenario, Schedule::single(number, mode)), hangs));
        }
    }
    for number in 0..baseline.events {
        for mode in EVENT_MODES.into_iter().filter(|mode| chosen(number, *mode)) {
            let event = Call { lane: Lane::Events, number };
            runs.push((Run::new(scenario, Schedule::none().and(event, mode)), false));
        }
    }
    runs
}

/// Each scenario without faults; with `VALKEEPER_SCENARIO`, that one alone.
pub(crate) async fn baselines(surroundings: &Arc<Surroundings>) -> Vec<(Scenario, Outcome)> {
    let only = std::env::var("VALKEEPER_SCENARIO").ok();
    let wanted = |scenario: &Scenario| only.as_ref().is_none_or(|only| scenario.name == only);
    let scenarios: Vec<_> = scenarios::all().into_iter().filter(wanted).collect();
    let runs = scenarios.iter().map(|scenario| Run::new(*scenario, Schedule::none())).collect();
    let outcomes = matrix::run_all(surroundings, runs, matrix::at_a_time()).await;
    expect_clean(&outcomes);
    let mut by_name: BTreeMap<_, _> =
        outcomes.into_iter().map(|outcome| (outcome.scenario, outcome)).collect();
    let with = |scenario: Scenario| by_name.remove(scenario.name).map(|outcome| (scenario, outcome));
    scenarios.into_iter().filter_map(with).collect()
}

pub(crate) fn expect_clean(outcomes: &[Outcome]) {
    let failed = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    let leaks = canary::leaks();
    assert!(leaks.is_empty(), "secrets in the log: {leaks:#?}");
    assert_eq!(failed, 0, "of {} runs, so many went wrong; each is printed above", outcomes.len());
}

/// One fault costs few calls more than none.
fn expect_short(baselines: &[(Scenario, Outcome)], outcomes: &[Outcome]) {
    for (scenario, baseline) in baselines {
        let most = baseline.calls + MOST_EXTRA;
        for outcome in outcomes.iter().filter(|outcome| outcome.scenario == scenario.name) {
            assert!(outcome.calls <= most, "{} calls: {}", outcome.calls, outcome.complaint());
        }
    }
}
