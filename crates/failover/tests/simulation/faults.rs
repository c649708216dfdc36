//! Random faults of a schedule, each with its end.

use crate::world::{Place, World};
use rand::{RngExt as _, seq::IndexedRandom as _};
use std::{fmt, time::Duration};
use valkeeper_failover::Name;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    KillServer,
    KillManager,
    FreezePod,
    FreezeManager,
    FreezeServer,
    CutFromApi,
    CutFromOperator,
    CutFromPeers,
    /// Its peers reach it, and nothing else does.
    CutFromControl,
    Isolate,
    LoseNode,
    Delete,
    SlowDisk,
    ApiOutage,
    ApiSlow,
    Lossy,
    OperatorCrash,
    OperatorFreeze,
    SecondOperator,
}

const KINDS: [Kind; 19] = [
    Kind::KillServer,
    Kind::KillManager,
    Kind::FreezePod,
    Kind::FreezeManager,
    Kind::FreezeServer,
    Kind::CutFromApi,
    Kind::CutFromOperator,
    Kind::CutFromPeers,
    Kind::CutFromControl,
    Kind::Isolate,
    Kind::LoseNode,
    Kind::Delete,
    Kind::SlowDisk,
    Kind::ApiOutage,
    Kind::ApiSlow,
    Kind::Lossy,
    Kind::OperatorCrash,
    Kind::OperatorFreeze,
    Kind::SecondOperator,
];

/// One fault of a schedule.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// The instance that it happens to; the primary of that moment without one.
    pub(crate) name: Option<Name>,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, from, until } = self;
        let name = name.as_ref().map_or("the primary", Name::as_str);
        write!(formatter, "{from:?} to {until:?} {kind:?} {name}")
    }
}

impl Fault {
    /// One that begins and ends within this time.
    pub(crate) fn random(world: &mut World, names: &[Name], begin: Duration, end: Duration) -> Self {
        let kind = *KINDS.choose(&mut world.random).unwrap_or(&Kind::KillServer);
        let name = if world.chance(50) { None } else { names.choose(&mut world.random).cloned() };
        let from = begin + end.saturating_sub(begin).mul_f64(world.random.random_range(0.0..0.95));
        let longest = end.saturating_sub(from).min(Duration::from_secs(30));
        let until = from + longest.mul_f64(world.random.random_range(0.01..1.0));
        Self { kind, name, from, until }
    }
}

impl World {
    pub(crate) fn play(&mut self, fault: Fault) {
        self.record.disturbed(fault.to_string(), fault.from, fault.until);
        let (from, length) = (fault.from, fault.until.saturating_sub(fault.from));
        self.after(from, move |world| {
            let name = fault.name.clone().or_else(|| world.holder());
            let Some(pod) = name.and_then(|name| world.current.get(&name).copied()) else { return };
            if world.pods[pod].gone {
                return;
            }
            world.begin(fault.kind, pod, length);
        });
    }

    fn holder(&self) -> Option<Name> {
        self.lease.as_ref()?.holder.as_ref().map(|holder| holder.name.clone())
    }

    fn begin(&mut self, kind: Kind, pod: usize, length: Duration) {
        let own = Place::Pod(pod);
        match kind {
            Kind::KillServer => self.end_server(pod, false),
            Kind::KillManager => self.crash(pod),
            Kind::FreezePod => self.freeze(pod, [true, true, true], length),
            Kind::FreezeManager => self.freeze(pod, [true, false, false], length),
            Kind::FreezeServer => self.freeze(pod, [false, true, false], length),
            Kind::CutFromApi => self.cut_for(vec![(own, Place::Api)], length),
            Kind::CutFromOperator => self.cut_for(vec![(own, Place::Operator)], length),
            Kind::CutFromPeers => self.cut_for(self.peers(pod), length),
            Kind::CutFromControl => {
                self.cut_for(vec![(own, Place::Api), (own, Place::Operator)], length);
            }
            Kind::Isolate => self.isolate(pod, length),
            Kind::LoseNode => self.lose_node(pod, length),
            Kind::Delete => self.delete_pod(pod),
            Kind::SlowDisk => {
                self.pods[pod].disk_delay = Duration::from_secs(1);
                self.after(length, move |world| world.pods[pod].disk_delay = Duration::ZERO);
            }
            Kind::ApiOutage => {
                self.api_is_down = true;
                self.after(length, |world| world.api_is_down = false);
            }
            Kind::ApiSlow => {
                self.api_delay = self.millis(200, 3_000);
                self.after(length, |world| world.api_delay = Duration::ZERO);
            }
            Kind::Lossy => {
                self.loss = 30;
                self.after(length, |world| world.loss = 0);
            }
            Kind::OperatorCrash => {
                self.operators.iter_mut().for_each(|process| process.runs = false);
                self.after(length, World::start_operator);
            }
            Kind::OperatorFreeze => self.freeze_operators(length),
            Kind::SecondOperator => {
                self.freeze_operators(length);
                self.start_operator();
            }
        }
    }

    fn crash(&mut self, pod: usize) {
        self.end_manager(pod, false);
        let delay = self.millis(100, 3_000);
        self.after(delay, move |world| world.start_manager(pod));
    }

    /// Which of manager, server and guard stand still.
    fn freeze(&mut self, pod: usize, [manager, server, guard]: [bool; 3], length: Duration) {
        let own = &mut self.pods[pod];
        own.manager_frozen |= manager && own.manager_runs;
        own.server.frozen |= server && own.server.alive;
        own.guard_frozen |= guard;
        self.after(length, move |world| world.thaw(pod));
    }

    pub(crate) fn thaw(&mut self, pod: usize) {
        let own = &mut self.pods[pod];
        (own.manager_frozen, own.server.frozen, own.guard_frozen) = (false, false, false);
        self.check_deadline(pod);
        let own = &mut self.pods[pod];
        for mut waiting in [std::mem::take(&mut own.manager_waits), std::mem::take(&mut own.server_waits)] {
            // What has come over several connections is taken in in any order.
            if self.chance(50) {
                waiting.reverse();
            }
            for action in waiting {
                action(self);
            }
        }
    }

    fn freeze_operators(&mut self, length: Duration) {
        for number in 0..self.operators.len() {
            self.operators[number].frozen = true;
            self.after(length, move |world| world.thaw_operator(number));
        }
    }

    pub(crate) fn thaw_operator(&mut self, number: usize) {
        self.operators[number].frozen = false;
        for action in std::mem::take(&mut self.operators[number].waits) {
            action(self);
        }
    }

    fn peers(&self, pod: usize) -> Vec<(Place, Place)> {
        let others = (0..self.pods.len()).filter(|other| *other != pod);
        others.map(|other| (Place::Pod(pod), Place::Pod(other))).collect()
    }

    fn isolate(&mut self, pod: usize, length: Duration) {
        let mut wires = self.peers(pod);
        wires.extend([(Place::Pod(pod), Place::Api), (Place::Pod(pod), Place::Operator)]);
        self.cut_for(wires, length);
    }

    fn cut_for(&mut self, wires: Vec<(Place, Place)>, length: Duration) {
        for (one, other) in &wires {
            self.cut(*one, *other, true);
        }
        self.after(length, move |world| {
            for (one, other) in wires {
                world.cut(one, other, false);
            }
        });
    }

    /// The node is given up and the pod replaced, while its processes go on and clients reach them.
    fn lose_node(&mut self, pod: usize, length: Duration) {
        self.isolate(pod, length);
        let delay = self.millis(1_000, 10_000);
        self.after(delay, move |world| {
            let name = world.pods[pod].name.clone();
            if world.current.get(&name) == Some(&pod) && !world.pods[pod].gone {
                world.create_pod(&name);
            }
        });
        self.after(length.max(delay), move |world| world.remove_pod(pod));
    }
}
