//! Runs of one scenario under one schedule, many at a time, and their outcomes.

use crate::{
    oracle::{self, Before},
    scenarios::Scenario,
    surroundings::Surroundings,
    world::World,
};
use futures::{StreamExt as _, stream};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use valkeeper_testbed::faults::{CallRecord, Lane, News, Schedule};

/// Runs at a time; most of them wait most of the time.
const AT_A_TIME: usize = 32;
/// How often the runs that are done are counted aloud.
const PROGRESS: usize = 250;

/// A run to be made.
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) schedule: Schedule,
    /// Delivery faults of the watches.
    pub(crate) delivery: WatchDelivery,
}

/// How the operator receives changes of custom resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchDelivery {
    Everything,
    /// All but the change with this number, to which this happens.
    But(usize, News),
    /// After a restart it receives the state before it did anything.
    Past,
}

impl fmt::Display for WatchDelivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => Ok(()),
            Self::But(number, news) => write!(formatter, "{number}:{news:?}"),
            Self::Past => write!(formatter, "past"),
        }
    }
}

impl WatchDelivery {
    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text.is_empty() => Some(Self::Everything),
            None => (text == "past").then_some(Self::Past),
            Some((number, news)) => {
                let news = News::ALL.into_iter().find(|known| format!("{known:?}") == news)?;
                Some(Self::But(number.parse().ok()?, news))
            }
        }
    }
}

impl Run {
    pub(crate) fn new(scenario: Scenario, schedule: Schedule) -> Self {
        Self { scenario, schedule, delivery: WatchDelivery::Everything }
    }

    /// What is different all along.
    fn disturbance(&self) -> String {
        self.schedule.disturbances().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// The line of variables that makes this run again.
    fn line(&self) -> String {
        let delivery = match self.delivery {
            WatchDelivery::Everything => String::new(),
            delivery => format!("VALKEEPER_TOLD={delivery} "),
        };
        let (name, schedule) = (self.scenario.name, &self.schedule);
        format!("VALKEEPER_SCENARIO='{name}' {delivery}VALKEEPER_FAULTS={schedule}")
    }
}

/// Outcome of one run.
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    /// The variables that replay it.
    line: String,
    /// What was different all along.
    pub(crate) disturbance: String,
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
            "{} cargo test --test faults replay\n    {}\n    {:?}",
            self.line,
            self.violations.join("\n    "),
            self.log,
        )
    }
}

/// Makes one run.
pub(crate) async fn run(surroundings: Arc<Surroundings>, run: Run) -> Outcome {
    let (line, disturbance) = (run.line(), run.disturbance());
    let Run { scenario, schedule, delivery } = run;
    let mut world = World::new(surroundings).await;
    world.all_along = schedule.without_faults();
    if delivery != WatchDelivery::Everything {
        // The next reconciliation compensates for changes that were never delivered.
        world.settings.resync_interval = Duration::from_millis(200);
    }
    (scenario.prepare)(&mut world).await;
    let before = Before::of(&world);
    match delivery {
        WatchDelivery::Everything => {}
        WatchDelivery::But(number, news) => world.plan.disturb(number, news),
        WatchDelivery::Past => world.remember_the_past().await,
    }
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
    Outcome { scenario, line, disturbance, calls, events, crashes, log, violations }
}

/// Makes all of `runs`, in any order; one that panics is one that went wrong.
pub(crate) async fn run_all(
    surroundings: &Arc<Surroundings>,
    runs: Vec<Run>,
    at_a_time: usize,
) -> Vec<Outcome> {
    let (all, done) = (runs.len(), &AtomicUsize::new(0));
    let runs = runs.into_iter().map(|run| {
        let surroundings = surroundings.clone();
        async move {
            let (line, disturbance, scenario) = (run.line(), run.disturbance(), run.scenario);
            let outcome = match tokio::spawn(self::run(surroundings, run)).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome {
                    scenario: scenario.name,
                    line,
                    disturbance,
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
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(PROGRESS) {
                println!("{done} of {all} runs");
            }
            outcome
        }
    });
    stream::iter(runs).buffer_unordered(at_a_time).collect().await
}

/// Concurrent runs, unless `VALKEEPER_AT_A_TIME` sets another number.
pub(crate) fn at_a_time() -> usize {
    std::env::var("VALKEEPER_AT_A_TIME").ok().and_then(|text| text.parse().ok()).unwrap_or(AT_A_TIME)
}
