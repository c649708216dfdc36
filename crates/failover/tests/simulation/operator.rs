//! A simulated operator process: the real observer and decision of the protocol, on a watch of pods that may be
//! late. Two processes may be at work at once: nothing here asks who leads.

use crate::world::{Action, Lease, Mutation, Place, World};
use rand::RngExt as _;
use std::{collections::BTreeMap, time::Duration};
use valkeeper_failover::{
    Identity, Name,
    manager::Input,
    observer::{LeaseReading, MemberReading, Observer, Reading},
    operator::{self, Policy, Step, Wait},
    protocol::{Peer, Peers, Status},
};

/// One process.
pub(crate) struct OperatorProcess {
    pub(crate) runs: bool,
    pub(crate) frozen: bool,
    pub(crate) waits: Vec<Action>,
    observer: Observer,
    clock: (Duration, u32),
    /// What its watch shows.
    pods: BTreeMap<Name, PodReport>,
    /// Pods that it has shown to have ended for good.
    gone: Peers,
    /// When the last message of the watch arrives.
    arrives: Duration,
    round: u64,
    reading: Option<Round>,
    /// The cluster was as it should be when it was last observed.
    pub(crate) settled: bool,
}

struct Round {
    number: u64,
    began: Duration,
    lease: Option<LeaseReading>,
    statuses: BTreeMap<Name, Status>,
    expected: usize,
}

/// A pod as the kubelet reports it.
#[derive(Clone)]
struct PodReport {
    pod: usize,
    ended: Option<Identity>,
    leaving: bool,
    /// No manager is started in it any more. One that crashes while its pod is being deleted may be.
    gone: Option<Peer>,
}

const POLICY: Policy = Policy {
    failover_after: Duration::from_secs(5),
    drain: Duration::from_millis(500),
    quorum: None,
    without_missing: false,
    without_consent: None,
};

impl World {
    pub(crate) fn start_operator(&mut self) {
        let number = self.operators.len();
        let clock = (self.millis(0, 1_000_000), self.random.random_range(85..=115));
        self.operators.push(OperatorProcess {
            runs: true,
            frozen: false,
            waits: Vec::new(),
            observer: Observer::default(),
            clock,
            pods: self.reports(),
            gone: Peers::new(),
            arrives: Duration::ZERO,
            round: 0,
            reading: None,
            settled: false,
        });
        self.reconcile_after(number, Duration::ZERO);
    }

    fn reports(&self) -> BTreeMap<Name, PodReport> {
        let report = |(name, pod): (&Name, &usize)| {
            let own = &self.pods[*pod];
            let ran = own.boot > 0 && !own.manager_runs;
            let life = Identity { boot: u64::MAX, ..own.manager.identity().clone() };
            let gone = own.gone.then(|| Peer::from(own.manager.identity()));
            let report = PodReport { pod: *pod, ended: ran.then_some(life), leaving: own.leaving, gone };
            (name.clone(), report)
        };
        self.current.iter().map(report).collect()
    }

    /// The kubelets report what pods do; watches show it in this order, and sometimes late.
    pub(crate) fn report_pods(&mut self) {
        let reports = self.reports();
        for number in 0..self.operators.len() {
            let delay = if self.chance(5) { self.millis(500, 6_000) } else { self.millis(5, 200) };
            let process = &mut self.operators[number];
            let at = (self.now + delay).max(process.arrives + Duration::from_micros(1));
            process.arrives = at;
            let reports = reports.clone();
            self.after(at.saturating_sub(self.now), move |world| {
                let process = &mut world.operators[number];
                process.gone.extend(reports.values().filter_map(|report| report.gone.clone()));
                process.pods = reports;
            });
        }
    }

    fn operator_does(&mut self, number: usize, delay: Duration, action: impl FnOnce(&mut Self) + 'static) {
        self.after(delay, move |world| {
            let process = &mut world.operators[number];
            if process.runs && process.frozen {
                process.waits.push(Box::new(action));
            } else if process.runs {
                action(world);
            }
        });
    }

    fn reconcile_after(&mut self, number: usize, delay: Duration) {
        self.operator_does(number, delay, move |world| world.reconcile(number));
    }

    fn operator_clock(&self, number: usize) -> Duration {
        let (begin, rate) = self.operators[number].clock;
        begin + self.now * rate / 100
    }

    /// Reads the Lease and the statuses at once: either may be the older one.
    fn reconcile(&mut self, number: usize) {
        let began = self.operator_clock(number);
        self.operators[number].round += 1;
        let there = self.wire(Place::Operator, Place::Api);
        let back = self.wire(Place::Api, Place::Operator);
        let (Some(there), Some(back), false) = (there, back, self.api_is_down) else {
            let delay = self.millis(200, 2_000);
            return self.reconcile_after(number, delay);
        };
        let round = self.operators[number].round;
        self.ask_all(number, began, round);
        self.after(there, move |world| {
            let lease = world.lease.clone();
            world.operator_does(number, back, move |world| match lease {
                Some(lease) => world.has_lease(number, round, lease),
                None => world.create_lease(number),
            });
        });
    }

    fn has_lease(&mut self, number: usize, round: u64, lease: Lease) {
        let Lease { holder, term, version, peers } = lease;
        let process = &mut self.operators[number];
        if let Some(reading) = process.reading.as_mut().filter(|reading| reading.number == round) {
            reading.lease = Some(LeaseReading { holder, term, version, peers });
            self.judge_if_complete(number, round);
        }
    }

    fn judge_if_complete(&mut self, number: usize, round: u64) {
        let reading = self.operators[number].reading.as_ref();
        if reading
            .is_some_and(|reading| reading.statuses.len() == reading.expected && reading.lease.is_some())
        {
            self.judge_round(number, round);
        }
    }

    fn create_lease(&mut self, number: usize) {
        let term = self.remembered;
        self.lease.get_or_insert(Lease { holder: None, term, version: 1, peers: Peers::new() });
        self.reconcile_after(number, Duration::from_millis(20));
    }

    /// Waits for the statuses for at most a second.
    fn ask_all(&mut self, number: usize, began: Duration, round: u64) {
        let pods: Vec<(Name, usize)> =
            self.operators[number].pods.iter().map(|(name, report)| (name.clone(), report.pod)).collect();
        let (lease, statuses, expected) = (None, BTreeMap::new(), pods.len());
        self.operators[number].reading = Some(Round { number: round, began, lease, statuses, expected });
        for (name, pod) in pods {
            self.ask(number, round, name, pod);
        }
        self.operator_does(number, Duration::from_secs(1), move |world| world.judge_round(number, round));
    }

    fn ask(&mut self, number: usize, round: u64, name: Name, pod: usize) {
        let Some(there) = self.wire(Place::Operator, Place::Pod(pod)) else { return };
        let boot = self.pods[pod].boot;
        self.manager_does(pod, boot, there, move |world| {
            let before = world.pods[pod].manager.role();
            let frozen = world.pods[pod].server.alive && world.pods[pod].server.frozen;
            let delay = if frozen { Duration::from_secs(1) } else { world.millis(1, 4) };
            world.manager_does(pod, boot, delay, move |world| {
                let status = world.status(pod, &before);
                let Some(back) = world.wire(Place::Pod(pod), Place::Operator) else { return };
                world.operator_does(number, back, move |world| {
                    let process = &mut world.operators[number];
                    let Some(reading) = process.reading.as_mut().filter(|_| process.round == round) else {
                        return;
                    };
                    reading.statuses.insert(name, status);
                    world.judge_if_complete(number, round);
                });
            });
        });
    }

    fn judge_round(&mut self, number: usize, round: u64) {
        let ended = self.operator_clock(number);
        let process = &mut self.operators[number];
        let Some(reading) = process.reading.take_if(|_| process.round == round) else { return };
        let Round { began, lease, mut statuses, .. } = reading;
        let Some(lease) = lease else {
            let delay = self.millis(200, 1_000);
            return self.reconcile_after(number, delay);
        };
        let members = process.pods.iter().map(|(name, report)| {
            let member = MemberReading {
                status: statuses.remove(name),
                ended: report.ended.clone(),
                leaving: report.leaving,
                preference: 0,
                routed: self.routed == Some(report.pod),
            };
            (name.clone(), member)
        });
        let members = members.collect();
        self.remembered = self.remembered.max(lease.term);
        let (remembered, gone) = (self.remembered, process.gone.clone());
        let reading = Reading { began, ended, lease: Some(lease), members, remembered, gone };
        let policy = Policy { without_consent: self.user_decided, ..POLICY };
        let mut view = process.observer.view(&policy, &self.timing, reading);
        if self.mutation == Mutation::NoWait
            && let Some(lease) = &mut view.lease
            && let Some(holder) = &lease.holder
            && view.members.get(&holder.name).is_some_and(|member| member.silent_for >= POLICY.failover_after)
        {
            lease.unchanged_for = self.timing.lease_duration;
            view.vacant_for = POLICY.drain;
        }
        if self.mutation == Mutation::NoRefusal
            && let Some(lease) = &mut view.lease
        {
            lease.refused_for = self.timing.lease_duration;
        }
        let step = operator::decide(&policy, &self.timing, &view);
        process.settled = matches!(step, Step::Settled(..));
        let acts = !matches!(step, Step::Settled(..) | Step::Wait(_));
        self.perform(number, step);
        let delay = if acts { self.millis(5, 60) } else { self.millis(50, 300) };
        self.reconcile_after(number, delay);
    }

    fn perform(&mut self, number: usize, step: Step) {
        let reports = &self.operators[number].pods;
        let at = |name: &Name| reports.get(name).map(|report| report.pod);
        match step {
            Step::Hold(name, term) => {
                self.send(at(&name), move |world, pod| world.input(pod, Input::Hold { term }));
            }
            Step::Promote(name, term, version) => {
                self.send(at(&name), move |world, pod| world.input(pod, Input::Promote { term, version }));
            }
            Step::Kick(name, term) => {
                self.send(at(&name), move |world, pod| world.input(pod, Input::Kick { term }));
            }
            Step::Follow(name, primary, term) => {
                let Some(leader) = at(&primary) else { return };
                self.send(at(&name), move |world, pod| {
                    world.is_told_to_follow(pod, term, &primary, leader);
                    world.input(pod, Input::Follow { term, primary: primary.clone() });
                });
            }
            Step::Route(name, _) => {
                let (Some(pod), Some(delay)) = (at(&name), self.wire(Place::Operator, Place::Api)) else {
                    return;
                };
                self.after(delay, move |world| {
                    if !world.pods[pod].gone {
                        world.routed = Some(pod);
                    }
                });
            }
            Step::Wait(Wait::Consent(_)) => self.user_decided = self.version_without_running_pods(),
            Step::CreateLease(_) | Step::Wait(_) | Step::Settled(..) => {}
        }
    }

    /// Sends a verb, which may be lost, late, or arrive twice.
    fn send(&mut self, pod: Option<usize>, verb: impl Fn(&mut Self, usize) + Clone + 'static) {
        let Some(pod) = pod else { return };
        let copies = if self.chance(2) { 2 } else { 1 };
        for _ in 0..copies {
            if let Some(delay) = self.wire(Place::Operator, Place::Pod(pod)) {
                let (boot, verb) = (self.pods[pod].boot, verb.clone());
                self.manager_does(pod, boot, delay, move |world| verb(world, pod));
            }
        }
    }
}
