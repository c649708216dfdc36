//! Two faults in one run: a sample in an order that meets every scenario, call and mode early and is the same
//! every time, or all of them in shards.

use crate::{
    cluster::Place,
    matrix::{self, Outcome, Run},
    report,
    scenarios::Scenario,
    singles::{baselines, expect_clean},
    surroundings::Surroundings,
};
use std::time::Instant;
use valkeeper_testbed::faults::{Lane, Mode, Place as Call, Schedule};

/// Calls after the last one of a run without faults at which a second fault still meets the recovery.
const RECOVERY: usize = 6;

/// All pairs are more than a million: `VALKEEPER_PAIRS` is the number to run, and `VALKEEPER_SHARD=K/N` takes them
/// from the K-th of N equal parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_faults_at_any_calls() {
    let text = |name| std::env::var(name).ok();
    let (wanted, shard) = (text("VALKEEPER_PAIRS"), text("VALKEEPER_SHARD"));
    if wanted.is_none() && shard.is_none() {
        return eprintln!("skipped: set VALKEEPER_PAIRS to the number of pairs of faults to run");
    }
    let wanted = wanted.map_or(usize::MAX, |number| number.parse().expect("VALKEEPER_PAIRS is a number"));
    let started = Instant::now();
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let baselines = baselines(&surroundings).await;
    let mut pairs = every_pair(&baselines);
    let all = pairs.len();
    spread(&mut pairs);
    if let Some((part, parts)) = shard.as_deref().and_then(|shard| shard.split_once('/')) {
        let (part, parts): (usize, usize) = (part.parse().unwrap(), parts.parse().unwrap());
        let mut index = 0;
        pairs.retain(|_| {
            index += 1;
            index % parts == part % parts
        });
    }
    pairs.truncate(wanted);
    let outcomes = matrix::run_all(&surroundings, pairs, matrix::at_a_time()).await;
    let failed = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    println!("{} of {all} pairs run in {:?}, {failed} failures", outcomes.len(), started.elapsed());
    println!("{}", report::table(&baselines, &outcomes));
    expect_clean(&outcomes);
    let line = format!("{} of {all} pairs of faults were run; {failed} failed.\n", outcomes.len());
    report::publish("pairs", &line);
}

fn every_pair(baselines: &[(Scenario, Outcome)]) -> Vec<Run> {
    let mut pairs = Vec::new();
    let call = |number| Call { lane: Lane::Work, number };
    for (scenario, baseline) in baselines {
        for first in 0..baseline.calls {
            for second in first + 1..baseline.calls + RECOVERY {
                for (one, other) in Mode::ALL.into_iter().flat_map(|one| Mode::ALL.map(|other| (one, other)))
                {
                    let schedule = Schedule::single(first, one).and(call(second), other);
                    pairs.push(Run::new(*scenario, schedule));
                }
            }
        }
    }
    pairs
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
