//! One fault at every call, in every way, in every scenario; pairs of faults for as long as there is time;
//! and one schedule again, by the line that a failure prints.

use crate::{
    canary,
    cluster::Place,
    matrix::{self, Outcome, Run, Told},
    report,
    scenarios::{self, Scenario},
    surroundings::Surroundings,
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use valkeeper_sandbox::faults::{Lane, Mode, Place as Call, Schedule, Side};

/// Calls after the last one of a run without faults at which a second fault still meets the recovery.
const RECOVERY: usize = 6;

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

/// All pairs are tens of thousands; `VALKEEPER_PAIRS` gives the seconds to spend on them, in an order that
/// meets every scenario, call and mode early.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_faults_at_any_calls() {
    let Some(seconds) = std::env::var("VALKEEPER_PAIRS").ok().and_then(|text| text.parse().ok()) else {
        return eprintln!("skipped: set VALKEEPER_PAIRS to the seconds to spend on pairs of faults");
    };
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let baselines = baselines(&surroundings).await;
    let mut pairs = Vec::new();
    for (scenario, baseline) in &baselines {
        for first in 0..baseline.calls {
            for second in first + 1..baseline.calls + RECOVERY {
                for (one, other) in Mode::ALL.into_iter().flat_map(|one| Mode::ALL.map(|other| (one, other)))
                {
                    let call = |number| Call { lane: Lane::Work, number };
                    let schedule = Schedule::single(first, one).and(call(second), other);
                    pairs.push(Run::new(*scenario, schedule));
                }
            }
        }
    }
    let all = pairs.len();
    spread(&mut pairs);
    let outcomes = matrix::run_until(&surroundings, pairs, matrix::at_a_time(), Some(deadline)).await;
    println!("{} of {all} pairs run", outcomes.len());
    println!("{}", report::table(&baselines, &outcomes));
    expect_clean(&outcomes);
}

/// Runs `VALKEEPER_FAULTS` in `VALKEEPER_SCENARIO`, and prints every call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay() {
    let (Ok(line), Ok(name)) = (std::env::var("VALKEEPER_FAULTS"), std::env::var("VALKEEPER_SCENARIO"))
    else {
        return;
    };
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let scenario =
        scenarios::all().into_iter().find(|scenario| scenario.name == name).expect("no such scenario");
    let told = Told::parse(&std::env::var("VALKEEPER_TOLD").unwrap_or_default()).expect("VALKEEPER_TOLD");
    let run = Run { told, ..Run::new(scenario, Schedule::parse(&line).unwrap()) };
    let outcome = matrix::run(surroundings, run).await;
    println!("{name}: {} calls, {} events, {} crashes", outcome.calls, outcome.events, outcome.crashes);
    outcome.log.iter().for_each(|call| println!("    {call:?}"));
    expect_clean(&[outcome]);
}

async fn singles(place: Place) {
    let started = Instant::now();
    let Some(surroundings) = Surroundings::start(place).await else { return };
    let baselines = baselines(&surroundings).await;
    let (mut hanging, mut runs) = (Vec::new(), Vec::new());
    for (scenario, baseline) in &baselines {
        for (number, call) in baseline.log.iter().enumerate().take(baseline.calls) {
            for mode in Mode::ALL {
                // The operator waits for long, without doing anything meanwhile.
                let dripping = mode == Mode::SlowBody && call.request.side == Side::Provider;
                let hangs = mode == Mode::Hang || dripping;
                let run = Run::new(*scenario, Schedule::single(number, mode));
                if hangs { &mut hanging } else { &mut runs }.push(run);
            }
        }
        for number in 0..baseline.events {
            for mode in EVENT_MODES {
                let event = Call { lane: Lane::Events, number };
                runs.push(Run::new(*scenario, Schedule::none().and(event, mode)));
            }
        }
    }
    if place == Place::Real && std::env::var_os("VALKEEPER_ALL").is_none() {
        // An API server with a store on disk is ten times slower; this is a sample of everything.
        sample(&mut hanging);
        sample(&mut runs);
    }
    let (hanging, outcomes) = futures::future::join(
        matrix::run_all(&surroundings, hanging, 100),
        matrix::run_all(&surroundings, runs, matrix::at_a_time()),
    )
    .await;
    let outcomes: Vec<_> = hanging.into_iter().chain(outcomes).collect();
    println!("{} runs in {:?}, {place:?}", outcomes.len(), started.elapsed());
    println!("{}", report::table(&baselines, &outcomes));
    expect_clean(&outcomes);
}

/// Each scenario without faults; with `VALKEEPER_SCENARIO`, that one alone.
async fn baselines(surroundings: &Arc<Surroundings>) -> Vec<(Scenario, Outcome)> {
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

fn expect_clean(outcomes: &[Outcome]) {
    let failed = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    let leaks = canary::leaks();
    assert!(leaks.is_empty(), "secrets in the log: {leaks:#?}");
    assert_eq!(failed, 0, "of {} runs, so many went wrong; each is printed above", outcomes.len());
}

/// Every sixteenth, beginning with the first: there are seventeen modes, so that each has its turn.
fn sample(runs: &mut Vec<Run>) {
    let mut index = 0_usize;
    runs.retain(|_| {
        index += 1;
        index % 16 == 1
    });
}

/// An order without a pattern, and the same in every run.
fn spread(runs: &mut [Run]) {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for index in (1..runs.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(seed >> 33).unwrap_or_default() % (index + 1);
        runs.swap(index, other);
    }
}
