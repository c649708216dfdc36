//! Generated histories: an ideal cluster breaks nothing. After one mutation it breaks the promise that
//! belongs to it, the counterexample alone shows it, and each of its records is needed.

use super::{History, Outcome, promises};
use crate::history::{Counterexample, Moment, Promise, Structure, judge};
use proptest::prelude::*;
use std::collections::BTreeMap;

const KEYS: [&str; 4] = ["register:1", "set:1", "list:1", "list:2"];
/// Servers in the order in which they reign.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Between two reigns.
const GAP: u64 = 300;

/// One reign: its writes (key, duration, confirmed), and how many of the last are lost at its end, if it ends
/// unplanned.
#[derive(Clone, Debug)]
struct Era {
    writes: Vec<(usize, u64, bool)>,
    lost: Option<usize>,
}

fn eras() -> impl Strategy<Value = Vec<Era>> {
    let write = (0..KEYS.len(), 1..9_u64, any::<bool>());
    let era = (prop::collection::vec(write, 4..14), prop::option::of(0..5_usize));
    prop::collection::vec(era.prop_map(|(writes, lost)| Era { writes, lost }), 2..=NAMES.len())
}

/// An ideal cluster: one client, one primary at a time, and what is lost is an unconfirmed end.
fn ideal(eras: &[Era]) -> History {
    let mut history = History::default();
    let mut kept: Vec<usize> = Vec::new();
    let (mut now, mut value) = (1_000, 0);
    for (number, (era, name)) in eras.iter().zip(NAMES).enumerate() {
        history.claim(name, number as u64 + 1, now);
        let first = history.writes.len();
        for (key, duration, confirmed) in &era.writes {
            value += 1;
            history.ack(KEYS[*key], value, (now, now + duration), name, u64::from(*confirmed));
            now += duration + 1;
        }
        let end = history.writes.len();
        let is_last = number + 1 == eras.len();
        let unconfirmed =
            history.writes[first..end].iter().rev().take_while(|write| write.replicas() == 0).count();
        let lost = if is_last { 0 } else { era.lost.unwrap_or(0).min(unconfirmed) };
        kept.extend(first..end - lost);
        if !is_last {
            history.disturbed(now, Some(now + GAP / 2), era.lost.is_none());
            now += GAP;
        }
    }
    let mut held: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for write in kept {
        let (key, value) = (history.writes[write].key.clone(), history.writes[write].value);
        let key = KEYS.into_iter().find(|known| *known == key).unwrap();
        let values = held.entry(key).or_default();
        if history.writes[write].structure == Structure::Register {
            values.clear();
        }
        values.push(value);
    }
    for (key, values) in held {
        history.holds(key, &values);
    }
    history
}

/// The value of a write is not there any more.
fn forget(history: &mut History, write: usize) {
    use crate::history::Content;
    let (key, value) = (history.writes[write].key.clone(), history.writes[write].value);
    match history.contents.get_mut(&key).unwrap() {
        Content::Register(_) => unreachable!("not chosen"),
        Content::Set(values) => drop(values.remove(&value)),
        Content::List(values) => values.retain(|held| *held != value),
    }
}

/// A write to a set or list that is there.
fn pick(history: &History, choice: prop::sample::Index) -> Option<usize> {
    let values: Vec<u64> = history.contents.values().flat_map(super::Content::values).collect();
    let fits = |number: &usize| {
        let write = &history.writes[*number];
        write.structure != Structure::Register && values.contains(&write.value)
    };
    let all: Vec<usize> = (0..history.writes.len()).filter(fits).collect();
    (!all.is_empty()).then(|| all[choice.index(all.len())])
}

/// Breaks a promise; false if this history offers no way.
fn break_it(history: &mut History, promise: Promise, choice: prop::sample::Index) -> bool {
    match promise {
        Promise::Faithful => {
            let Some(write) = pick(history, choice) else { return false };
            history.writes[write].outcome = Outcome::Refused;
        }
        Promise::OneHolder => {
            let term = history.claims[choice.index(history.claims.len())].term;
            history.claim("another", term, 1);
        }
        Promise::OneSide => {
            // The first primary acknowledges once more at the very end.
            let end = history.writes.iter().map(|write| write.invoked.0).max().unwrap() + 100;
            history.ack("list:1", 10_000, (end, end + 1), "a", 0);
            let mut values = history.contents.get("list:1").map(super::Content::values).unwrap_or_default();
            values.push(10_000);
            history.holds("list:1", &values);
        }
        Promise::Confirmed => {
            let Some(write) = pick(history, choice) else { return false };
            forget(history, write);
            let Outcome::Acknowledged { replicas, .. } = &mut history.writes[write].outcome else {
                return false;
            };
            *replicas = Some(1);
        }
        Promise::Planned => {
            let Some(write) = pick(history, choice) else { return false };
            history.disturbances.iter_mut().for_each(|each| each.planned = true);
            forget(history, write);
        }
        Promise::LastLag => {
            // Long before any fault.
            history.ack("set:1", 20_000, (1, 2), "a", 0);
            history.disturbed(900, None, false);
        }
    }
    true
}

fn shows(history: &History, promise: Promise) -> bool {
    judge(history, &promises()).promises().contains(&promise)
}

/// The history of a counterexample without one of its records.
fn without(counterexample: &Counterexample, record: usize) -> History {
    let mut history = counterexample.history.clone();
    let (writes, claims) = (history.writes.len(), history.claims.len());
    if record < writes {
        let gone = history.writes.remove(record);
        if let Some(content) = history.contents.get(&gone.key).cloned() {
            let values: Vec<u64> = content.values().into_iter().filter(|held| *held != gone.value).collect();
            history.holds(&gone.key, &values);
        }
    } else if record < writes + claims {
        history.claims.remove(record - writes);
    } else {
        history.disturbances.remove(record - writes - claims);
    }
    history
}

/// Whether a record only shows what a register holds in place of a write that is lost.
fn is_in_place(history: &History, record: usize) -> bool {
    history.writes.get(record).is_some_and(|write| {
        let held = history.contents.get(&write.key).map(super::Content::values).unwrap_or_default();
        write.structure == Structure::Register && held.contains(&write.value)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ideal_cluster_breaks_nothing(eras in eras()) {
        let verdict = judge(&ideal(&eras), &promises());
        prop_assert!(verdict.is_kept(), "{verdict}");
    }

    #[test]
    fn each_broken_promise_is_found_and_shown(
        eras in eras(),
        promise in prop::sample::select(Promise::ALL.to_vec()),
        choice in any::<prop::sample::Index>(),
    ) {
        let mut history = ideal(&eras);
        prop_assume!(break_it(&mut history, promise, choice));
        let verdict = judge(&history, &promises());
        prop_assert!(verdict.promises().contains(&promise), "{promise:?} is not in {verdict}");
        for broken in &verdict.broken {
            let shown = &broken.counterexample;
            prop_assert!(shows(&shown.history, broken.promise), "{verdict}");
            // What an unplanned failover may lose is bounded by the fault: without it, no failover explains it.
            let records = shown.len().min(shown.history.writes.len() + shown.history.claims.len());
            for record in (0..records).filter(|record| !is_in_place(&shown.history, *record)) {
                prop_assert!(!shows(&without(shown, record), broken.promise), "{record} of {broken}");
            }
        }
    }

    #[test]
    fn missing_answers_are_no_violation(eras in eras(), choice in any::<prop::sample::Index>()) {
        let mut history = ideal(&eras);
        let unknown = choice.index(history.writes.len());
        history.writes[unknown].outcome = Outcome::Unknown;
        prop_assert!(judge(&history, &promises()).is_kept());
    }

    /// The moment at which each write took effect is unknown: a possible order is no violation.
    #[test]
    fn longer_writes_are_no_violation(eras in eras(), early in 0..200_u64, late in 0..200_u64) {
        let mut history = ideal(&eras);
        for write in &mut history.writes {
            write.invoked = Moment(write.invoked.0 - early);
            if let Outcome::Acknowledged { at, .. } = &mut write.outcome {
                *at = Moment(at.0 + late);
            }
        }
        let verdict = judge(&history, &promises());
        prop_assert!(verdict.is_kept(), "{verdict}");
    }
}
