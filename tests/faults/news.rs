//! Changes that watches deliver while the operator works: streams break, single changes are lost, repeated or late,
//! and a new operator receives the past.

use crate::{
    canary,
    cluster::Place,
    matrix::{self, Outcome, Run, WatchDelivery},
    perturbations::named,
    report,
    surroundings::Surroundings,
};
use valkeeper_testbed::faults::{Lane, Mode, News, Place as Call, Schedule};

/// The scenarios with many delivered changes.
const SCENARIOS: [&str; 3] = ["create", "edit plan", "delete"];
/// Changes that are delivered in the longest of them, and some more.
const TOLD: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_streams_break_in_every_way() {
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let modes = [
        Mode::Status(410),
        Mode::Status(500),
        Mode::Status(429),
        Mode::Status(403),
        Mode::Reset,
        Mode::Truncated,
        Mode::Malformed,
        Mode::CrashBefore,
        Mode::CrashAfter,
    ];
    let mut runs = Vec::new();
    for number in 0..4 {
        for mode in modes {
            let schedule = Schedule::none().and(Call { lane: Lane::Background, number }, mode);
            runs.push(Run::new(named("create"), schedule));
        }
    }
    let outcomes = matrix::run_all(&surroundings, runs, matrix::at_a_time()).await;
    expect_clean(&outcomes);
    report::publish("streams", &line(&outcomes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_changes_go_astray() {
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let mut runs = Vec::new();
    for scenario in SCENARIOS.map(named) {
        for number in 0..TOLD {
            for news in News::ALL {
                // A change that is never delivered cannot be detected; the operator's own writes bring later changes.
                if news != News::Dropped || scenario.name == "create" {
                    let delivery = WatchDelivery::But(number, news);
                    runs.push(Run { delivery, ..Run::new(scenario, Schedule::none()) });
                }
            }
        }
    }
    let outcomes = matrix::run_all(&surroundings, runs, matrix::at_a_time()).await;
    expect_clean(&outcomes);
    report::publish("changes", &line(&outcomes));
}

/// An API server that lags behind shows a new operator a state from before everything that the first one did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_at_any_call_the_past_is_shown() {
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let mut runs = Vec::new();
    for scenario in SCENARIOS.map(named) {
        let baseline = matrix::run(surroundings.clone(), Run::new(scenario, Schedule::none())).await;
        for number in 0..baseline.calls {
            for mode in [Mode::CrashBefore, Mode::CrashAfter] {
                let schedule = Schedule::single(number, mode);
                runs.push(Run { delivery: WatchDelivery::Past, ..Run::new(scenario, schedule) });
            }
        }
    }
    let outcomes = matrix::run_all(&surroundings, runs, matrix::at_a_time()).await;
    expect_clean(&outcomes);
    report::publish("past", &line(&outcomes));
}

fn line(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    format!("{} runs, {failed} failures.\n", outcomes.len())
}

fn expect_clean(outcomes: &[Outcome]) {
    let failed = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    println!("{} runs", outcomes.len());
    assert!(canary::leaks().is_empty());
    assert_eq!(failed, 0, "of {} runs; each is printed above", outcomes.len());
}
