//! Every scenario under everything that may be different all along: lists that show less, reads and watches that
//! lag, policies of the provider; alone, and together with a fault at a call.

use crate::{
    cluster::Place,
    matrix::{self, Run},
    report,
    sample::Extent,
    scenarios::Scenario,
    singles,
    surroundings::Surroundings,
};
use std::{collections::BTreeMap, fmt::Write as _, time::Duration};
use valkeeper_testbed::faults::{Disturbance, Mode, Schedule};

/// One in so many faults is tried under each disturbance when all runs are requested.
const ONE_IN: usize = 64;

/// Each disturbance; lags are as short in comparison with the operator's periods as real ones are.
fn disturbances() -> Vec<Disturbance> {
    let scaled = |disturbance| match disturbance {
        Disturbance::ReadLag(_) => Disturbance::ReadLag(Duration::from_millis(30)),
        Disturbance::WatchLag(_) => Disturbance::WatchLag(Duration::from_millis(100)),
        other => other,
    };
    Disturbance::examples().into_iter().map(scaled).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_under_every_disturbance() {
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let baselines = singles::baselines(&surroundings).await;
    let all = disturbances();
    let alone = all.iter().flat_map(|disturbance| {
        let schedule = Schedule::none().under(disturbance.clone());
        baselines.iter().map(move |(scenario, _)| Run::new(*scenario, schedule.clone()))
    });
    let mut runs: Vec<Run> = alone.collect();
    if Extent::wanted(Place::Sandbox) == Extent::All {
        for (number, disturbance) in all.iter().enumerate() {
            let scenarios = baselines.iter().enumerate();
            runs.extend(scenarios.flat_map(|(scenario, (it, baseline))| {
                with_a_fault(*it, baseline.calls, disturbance, 11 * number + 3 * scenario)
            }));
        }
    }
    let outcomes = matrix::run_all(&surroundings, runs, matrix::at_a_time()).await;
    println!("{} runs under {} disturbances", outcomes.len(), all.len());
    singles::expect_clean(&outcomes);
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for outcome in &outcomes {
        *counted.entry(outcome.disturbance.clone()).or_default() += 1;
    }
    let mut table = "| all along | runs | failures |\n|---|---|---|\n".to_owned();
    for (disturbance, runs) in counted {
        let _ = writeln!(table, "| `{disturbance}` | {runs} | 0 |");
    }
    println!("{table}");
    report::publish("disturbances", &table);
}

/// Some of the faults at the calls of a scenario, different ones for each `turn`.
fn with_a_fault(
    scenario: Scenario,
    calls: usize,
    disturbance: &Disturbance,
    turn: usize,
) -> impl Iterator<Item = Run> {
    // A long hang proves nothing about a disturbance, and takes long.
    let quick = |mode: &Mode| !matches!(mode, Mode::Hang | Mode::Late | Mode::SlowBody);
    let modes: Vec<Mode> = Mode::ALL.into_iter().filter(quick).collect();
    let all = (0..calls).flat_map(move |call| modes.clone().into_iter().map(move |mode| (call, mode)));
    let chosen = all.enumerate().filter(move |(number, _)| (number + turn).is_multiple_of(ONE_IN));
    let disturbance = disturbance.clone();
    chosen.map(move |(_, (call, mode))| {
        Run::new(scenario, Schedule::single(call, mode).under(disturbance.clone()))
    })
}
