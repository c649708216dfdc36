//! The decisions of `engine::decide`, explored exhaustively against an abstract world. Two resources want the same
//! service, each with an operator that crashes, loses answers, sees old versions and gets false reports of absence.
//! Requests may arrive after their sender is gone. Every reachable state is visited once; the properties are in
//! `properties.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod bridge;
mod moves;
mod properties;
mod state;
mod tokens;

use moves::{Violation, successors};
use state::{Setup, State};
use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

/// States to visit of those worlds that have more, so that the sum is above a million.
const STATES: usize = 550_000;
/// From one in so many states the way to the end is walked.
const WALKED: usize = 200;

struct Explored {
    states: usize,
}

#[test]
fn two_resources_of_one_name() {
    assert_eq!(explore(Setup::Rivals, STATES).states, STATES);
}

#[test]
fn two_resources_of_one_name_and_a_lie() {
    assert_eq!(explore(Setup::Rivals.with_lie(), STATES).states, STATES);
}

#[test]
fn two_resources_that_only_report_drift_lose_no_edit() {
    assert_eq!(explore(Setup::Rivals.reporting(), STATES).states, STATES);
}

#[test]
fn a_resource_that_adopts() {
    assert!(explore(Setup::Adoption, usize::MAX).states > 1000);
}

#[test]
fn a_resource_that_adopts_and_a_lie() {
    assert!(explore(Setup::Adoption.with_lie(), usize::MAX).states > 1000);
}

/// Visits states breadth first, so that a violation comes with a shortest way to it.
fn explore(setup: Setup, most: usize) -> Explored {
    let mut engine = bridge::Engine::default();
    let start = State::start(setup);
    let (mut seen, mut waiting) = (HashSet::from([fingerprint(&start)]), VecDeque::from([start]));
    let mut parents: HashMap<u64, (u64, String)> = HashMap::new();
    let (mut states, mut moves, mut walks) = (0, 0, 0);
    while let Some(state) = waiting.pop_front() {
        if states == most {
            break;
        }
        states += 1;
        if states % WALKED == 0 {
            walks += 1;
            if let Err(violation) = properties::comes_to_its_end(&mut engine, state) {
                panic!("{violation:?}\nfrom {state:?}\nafter {:#?}", way(&parents, fingerprint(&state)));
            }
        }
        let from = fingerprint(&state);
        for (name, next) in successors(&mut engine, &state) {
            moves += 1;
            let next = match next {
                Ok(next) => next,
                Err(Violation(rule)) => {
                    panic!("{rule}\nby {name}\nin {state:?}\nafter {:#?}", way(&parents, from))
                }
            };
            let print = fingerprint(&next);
            if seen.insert(print) {
                parents.insert(print, (from, name));
                waiting.push_back(next);
            }
        }
    }
    println!("{setup:?}: {states} states, {moves} moves, {walks} walks to the end");
    Explored { states }
}

fn way(parents: &HashMap<u64, (u64, String)>, mut at: u64) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((from, name)) = parents.get(&at) {
        names.push(name.clone());
        at = *from;
    }
    names.reverse();
    names
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
