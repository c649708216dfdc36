//! Visits every state within the bounds, from a world that has just begun or from one with a past.

use crate::*;
use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::Hasher,
};

pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) reigns: usize,
    pub(crate) violation: Option<(String, Vec<String>)>,
}

/// The world in which a primary that stood still returns: it has more than its successor, in an older history.
fn after_a_return(bounds: &Bounds) -> World {
    let follow = |world: &World, what: &str| {
        let mut generous = world.clone();
        generous.deviations = u8::MAX;
        let mut next = successors(bounds, &generous);
        let place = next.iter().position(|(name, _)| name == what);
        let mut next = next.swap_remove(place.unwrap_or_else(|| panic!("{what} is not possible"))).1;
        next.deviations = bounds.deviations;
        next
    };
    let natural = |mut world: World, until: fn(&World) -> bool| {
        while !until(&world) {
            world = successors(bounds, &world).swap_remove(0).1;
        }
        world
    };
    let mut world = natural(World::start(bounds), |world| world.pods[0].server.writable);
    for what in ["a tick", "a tick", "0 freezes"] {
        world = follow(&world, what);
    }
    let world = natural(world, |world| world.pods[1].data & world.kept != 0);
    natural(follow(&world, "0 thaws"), |world| world.pods[0].manager.role() == Role::Held)
}

fn explore(bounds: Bounds, start: World) -> Explored {
    let mut seen = HashSet::from([fingerprint(&start)]);
    let mut parents: HashMap<u64, (u64, String)> = HashMap::new();
    let mut waiting = VecDeque::from([start]);
    let (mut states, mut reigns) = (0, 0);
    while let Some(world) = waiting.pop_front() {
        if states == bounds.states {
            break;
        }
        states += 1;
        reigns = reigns.max(world.granted.len());
        let from = fingerprint(&world);
        for (what, mut next) in successors(&bounds, &world) {
            next.note_promises();
            if let Err(rule) = next.note_grants().and_then(|()| next.check()) {
                let mut way = vec![what];
                let mut at = from;
                while let Some((before, name)) = parents.get(&at) {
                    way.push(name.clone());
                    at = *before;
                }
                way.reverse();
                return Explored { states, reigns, violation: Some((rule, way)) };
            }
            let print = fingerprint(&next);
            if seen.insert(print) {
                parents.insert(print, (from, what));
                waiting.push_back(next);
            }
        }
    }
    Explored { states, reigns, violation: None }
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn run(
    members: usize,
    deviations: u8,
    operator_rate: u8,
    disk: Disk,
    mutation: Mutation,
) -> Explored {
    let durability = Durability::BestEffort;
    let bounds = Bounds {
        members,
        horizon: 16,
        deviations,
        operator_rate,
        states: STATES,
        disk,
        durability,
        consent: false,
        mutation,
    };
    report(bounds, World::start(&bounds))
}

/// A primary whose lease names its replicas, and that neither the API server nor the operator reaches.
pub(crate) fn run_with_consent(
    members: usize,
    deviations: u8,
    operator_rate: u8,
    mutation: Mutation,
) -> Explored {
    let bounds = Bounds {
        members,
        horizon: 32,
        deviations,
        operator_rate,
        states: CONSENT_STATES,
        disk: Disk::Whole,
        durability: Durability::BestEffort,
        consent: true,
        mutation,
    };
    let mut world = World::start(&bounds);
    while world.peers.len() + 1 < members {
        world = successors(&bounds, &world).swap_remove(0).1;
    }
    (world.pods[0].cut, world.pods[0].deaf) = (true, true);
    report(bounds, world)
}

/// Three instances that have replicated a write.
pub(crate) fn run_with_quorum(deviations: u8, disk: Disk, mutation: Mutation) -> Explored {
    let bounds = Bounds {
        members: 3,
        horizon: 24,
        deviations,
        operator_rate: 2,
        states: QUORUM_STATES,
        disk,
        durability: Durability::Quorum,
        consent: false,
        mutation,
    };
    let mut world = World::start(&bounds);
    while world.promised == 0 {
        world = successors(&bounds, &world).swap_remove(0).1;
        world.note_promises();
    }
    report(bounds, world)
}

fn report(bounds: Bounds, start: World) -> Explored {
    let explored = explore(bounds, start);
    println!("{bounds:?}: {} states, {} reigns", explored.states, explored.reigns);
    if let Some((rule, way)) = &explored.violation {
        println!("{rule}\n  {}", way.join("\n  "));
    }
    explored
}

pub(crate) fn run_after_a_return(mutation: Mutation) -> Explored {
    let (members, horizon, deviations, operator_rate) = (2, 24, 3, 2);
    let (disk, durability) = (Disk::Behind, Durability::BestEffort);
    let (states, consent) = (STATES, false);
    let bounds =
        Bounds { members, horizon, deviations, operator_rate, states, disk, durability, consent, mutation };
    report(bounds, after_a_return(&bounds))
}
