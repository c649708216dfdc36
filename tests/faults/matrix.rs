//! Runs of one scenario under one schedule, many at a time, and what came of them.

use crate::{
    oracle::{self, Before},
    scenarios::Scenario,
    surroundings::Surroundings,
    world::World,
};
use futures::{StreamExt as _, stream};
use std::{sync::Arc, time::Instant};
use valkeeper_sandbox::faults::{CallRecord, Lane, Schedule};

/// Runs at a time; most of them wait most of the time.
const AT_A_TIME: usize = 32;

/// A run to be made.
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) schedule: Schedule,
}

/// What came of one run.
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    pub(crate) schedule: String,
    /// Work calls until the goal was reached.
    pub(crate) calls: usize,
    /// Events written until then.
    pub(crate) events: usize,
    pub(crate) crashes: usize,
    pub(crate) log: Vec<CallRecord>,
    pub(crate) violations: Vec<String>,
}

impl Outcome {
    /// One line that names the run and replays it, and what was wrong.
    pub(crate) fn complaint(&self) -> String {
        format!(
            "VALKEEPER_SCENARIO='{}' VALKEEPER_FAULTS={} cargo test --test faults replay\n    {}\n    {:?}",
            self.scenario,
            self.schedule,
            self.violations.join("\n    "),
            self.log,
        )
    }
}

/// Runs `scenario` under `schedule`.
pub(crate) async fn run(surroundings: Arc<Surroundings>, scenario: Scenario, schedule: Schedule) -> Outcome {
    let line = schedule.to_string();
    let mut world = World::new(surroundings).await;
    (scenario.prepare)(&mut world).await;
    let before = Before::of(&world);
    if scenario.operator_is_down {
        world.kill_operator().await;
        (scenario.act)(&mut world).await;
        world.plan.arm(schedule);
        world.start_operator();
    } else {
        world.plan.arm(schedule);
        (scenario.act)(&mut world).await;
        if !world.has_operator() {
            world.start_operator();
        }
    }
    if !world.reaches(scenario.goal).await {
        let end = world.valkey().and_then(|valkey| serde_json::to_string(&valkey.status).ok());
        world.violations.add(format!("the goal is not reached; the status is {}", end.unwrap_or_default()));
    }
    let (calls, events) = (world.plan.counted(Lane::Work), world.plan.counted(Lane::Events));
    world.plan.disarm();
    let log = world.plan.calls();
    oracle::judge(&world, &scenario, &before, &log).await;
    oracle::stays_at_rest(&mut world, &scenario).await;
    let violations = world.violations.all();
    let log = if violations.is_empty() { oracle::work(&log).cloned().collect() } else { log };
    let (scenario, crashes) = (scenario.name, world.crashes());
    Outcome { scenario, schedule: line, calls, events, crashes, log, violations }
}

/// Runs all of `runs`, in any order.
pub(crate) async fn run_all(
    surroundings: &Arc<Surroundings>,
    runs: Vec<Run>,
    at_a_time: usize,
) -> Vec<Outcome> {
    run_until(surroundings, runs, at_a_time, None).await
}

/// Runs `runs` until the deadline; a run that panics is one that went wrong.
pub(crate) async fn run_until(
    surroundings: &Arc<Surroundings>,
    runs: Vec<Run>,
    at_a_time: usize,
    deadline: Option<Instant>,
) -> Vec<Outcome> {
    let runs = runs.into_iter().take_while(|_| deadline.is_none_or(|deadline| Instant::now() < deadline));
    let runs = runs.map(|Run { scenario, schedule }| {
        let surroundings = surroundings.clone();
        async move {
            let line = schedule.to_string();
            let outcome = match tokio::spawn(run(surroundings, scenario, schedule)).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome {
                    scenario: scenario.name,
                    schedule: line,
                    calls: 0,
                    events: 0,
                    crashes: 0,
                    log: Vec::new(),
                    violations: vec![error.to_string()],
                },
            };
            if !outcome.violations.is_empty() {
                eprintln!("{}", outcome.complaint());
            }
            outcome
        }
    });
    stream::iter(runs).buffer_unordered(at_a_time).collect().await
}

/// Runs at a time, unless `VALKEEPER_AT_A_TIME` says otherwise.
pub(crate) fn at_a_time() -> usize {
    std::env::var("VALKEEPER_AT_A_TIME").ok().and_then(|text| text.parse().ok()).unwrap_or(AT_A_TIME)
}
