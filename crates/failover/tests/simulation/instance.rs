//! One simulated pod: the real state machine of its manager, a shell that carries out effects as the instance
//! manager does, a guard, and a server.
//!
//! When a whole container stood still, its guard runs first: the instant before that is excepted from what is promised.

use crate::{
    observe::Progress,
    server::Server,
    world::{Action, World},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use valkeeper_failover::{
    Identity, Name, Term,
    manager::{Command, Effect, Input, Manager},
    protocol::Peers,
};

/// Of a planned end.
const GRACE: Duration = Duration::from_secs(30);

/// One pod.
pub(crate) struct Pod {
    pub(crate) name: Name,
    pub(crate) manager: Manager,
    pub(crate) boot: u64,
    pub(crate) manager_runs: bool,
    pub(crate) manager_frozen: bool,
    pub(crate) guard_frozen: bool,
    /// It ends for good.
    pub(crate) gone: bool,
    pub(crate) leaving: bool,
    pub(crate) server: Server,
    pub(crate) manager_waits: Vec<Action>,
    pub(crate) server_waits: Vec<Action>,
    /// Its clock, relative to that of the world: where it begins, and its rate in percent.
    pub(crate) clock: (Duration, u32),
    pub(crate) deadline: Option<Duration>,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) is_storing: bool,
    pub(crate) disk_delay: Duration,
    pub(crate) requests: BTreeSet<u64>,
    pub(crate) commands: VecDeque<(u64, Command, Term)>,
    pub(crate) is_commanding: bool,
    pub(crate) silent_since: Option<Duration>,
    pub(crate) primaries: BTreeMap<Name, usize>,
    pub(crate) following: Term,
    pub(crate) progress: Progress,
    /// On the disk, or lost with it.
    pub(crate) stored: Term,
    /// The question to peers that is under way: its number, and who has not answered.
    pub(crate) question: Option<(u64, Peers)>,
    pub(crate) histories: BTreeMap<u64, Term>,
}

impl Pod {
    fn new(name: Name, uid: &str, clock: (Duration, u32)) -> Self {
        let identity = Identity { name: name.clone(), pod: uid.into(), boot: 1 };
        Self {
            name,
            manager: Manager::boot(identity, Term(0)),
            boot: 0,
            manager_runs: false,
            manager_frozen: false,
            guard_frozen: false,
            gone: false,
            leaving: false,
            server: Server::default(),
            manager_waits: Vec::new(),
            server_waits: Vec::new(),
            clock,
            deadline: None,
            effects: VecDeque::new(),
            is_storing: false,
            disk_delay: Duration::ZERO,
            requests: BTreeSet::new(),
            commands: VecDeque::new(),
            is_commanding: false,
            silent_since: None,
            primaries: BTreeMap::new(),
            following: Term(0),
            progress: Progress::default(),
            stored: Term(0),
            question: None,
            histories: BTreeMap::new(),
        }
    }
}

impl World {
    /// A new pod of this name, with the data of the one before if that is kept.
    pub(crate) fn create_pod(&mut self, name: &Name) -> usize {
        let number = self.pods.len();
        let clock = (self.millis(0, 1_000_000), rand::RngExt::random_range(&mut self.random, 85..=115));
        let mut pod = Pod::new(name.clone(), &format!("uid-{number}"), clock);
        if let Some(before) =
            self.current.get(name).map(|before| &self.pods[*before]).filter(|_| self.persists)
            && before.gone
        {
            (pod.boot, pod.stored, pod.histories) = (before.boot, before.stored, before.histories.clone());
            pod.server = before.server.on_disk();
        }
        self.pods.push(pod);
        self.current.insert(name.clone(), number);
        self.report_pods();
        self.start_manager(number);
        number
    }

    pub(crate) fn local(&self, pod: usize) -> Duration {
        let (begin, rate) = self.pods[pod].clock;
        begin + self.now * rate / 100
    }

    /// Lets the manager of a pod do this, unless it has ended by then.
    pub(crate) fn manager_does(
        &mut self,
        pod: usize,
        boot: u64,
        delay: Duration,
        action: impl FnOnce(&mut Self) + 'static,
    ) {
        self.after(delay, move |world| {
            let own = &mut world.pods[pod];
            if own.boot != boot || !own.manager_runs {
            } else if own.manager_frozen {
                own.manager_waits.push(Box::new(move |world| {
                    world.manager_does(pod, boot, Duration::ZERO, action);
                }));
            } else {
                action(world);
            }
        });
    }

    pub(crate) fn start_manager(&mut self, pod: usize) {
        let own = &mut self.pods[pod];
        if own.gone || own.manager_runs {
            return;
        }
        own.boot += 1;
        let identity = Identity { boot: own.boot, ..own.manager.identity().clone() };
        own.manager = Manager::boot(identity, own.stored);
        own.manager_runs = true;
        (own.deadline, own.is_storing, own.is_commanding, own.silent_since) = (None, false, false, None);
        own.effects.clear();
        own.requests.clear();
        own.question = None;
        own.commands.clear();
        let boot = own.boot;
        self.report_pods();
        let delay = self.millis(20, 200);
        self.manager_does(pod, boot, delay, move |world| world.begin_server(pod));
        self.tick(pod, boot);
        self.watch(pod, boot);
        self.look_for_peers(pod, boot);
        self.guard(pod, boot);
    }

    pub(crate) fn begin_server(&mut self, pod: usize) {
        if self.pods[pod].server.alive {
            return;
        }
        self.start_server(pod);
        self.pods[pod].progress = Progress::default();
        let (life, boot, delay) = (self.pods[pod].server.life, self.pods[pod].boot, self.millis(5, 100));
        self.server_does(pod, life, delay, move |world| {
            world.manager_does(pod, boot, Duration::ZERO, move |world| world.input(pod, Input::Started));
        });
    }

    /// The first process of the container ends, and the server with it.
    pub(crate) fn end_manager(&mut self, pod: usize, in_order: bool) {
        self.end_server(pod, in_order);
        let own = &mut self.pods[pod];
        (own.manager_runs, own.manager_frozen, own.guard_frozen) = (false, false, false);
        own.manager_waits.clear();
        self.report_pods();
    }

    fn tick(&mut self, pod: usize, boot: u64) {
        self.manager_does(pod, boot, Duration::from_millis(50), move |world| {
            world.input(pod, Input::Tick);
            world.tick(pod, boot);
        });
    }

    /// Looks at the deadline, whatever the manager does.
    fn guard(&mut self, pod: usize, boot: u64) {
        self.after(Duration::from_millis(50), move |world| {
            if world.pods[pod].boot == boot && world.pods[pod].manager_runs {
                world.check_deadline(pod);
                world.guard(pod, boot);
            }
        });
    }

    pub(crate) fn check_deadline(&mut self, pod: usize) {
        let late = self.pods[pod].deadline.is_some_and(|deadline| self.local(pod) >= deadline);
        if late && !self.pods[pod].guard_frozen {
            self.end_server(pod, false);
        }
    }

    pub(crate) fn input(&mut self, pod: usize, input: Input) {
        let (now, timing) = (self.local(pod), self.timing);
        let own = &mut self.pods[pod];
        let reaction = own.manager.on(&timing, now, input);
        own.deadline = own.manager.deadline(&timing);
        for effect in reaction.effects {
            if effect == Effect::KillServer {
                self.end_server(pod, false);
            } else {
                self.pods[pod].effects.push_back(effect);
            }
        }
        self.carry_out(pod);
    }

    pub(crate) fn server_ended(&mut self, pod: usize) {
        let own = &mut self.pods[pod];
        own.commands.clear();
        (own.is_commanding, own.silent_since) = (false, None);
        self.input(pod, Input::Exited);
    }

    pub(crate) fn is_told_to_follow(&mut self, pod: usize, term: Term, name: &Name, primary: usize) {
        let own = &mut self.pods[pod];
        if term >= own.manager.seen() {
            own.primaries.insert(name.clone(), primary);
            own.following = term;
            (own.progress.anchor, own.progress.begun, own.progress.synced) = (None, None, false);
        }
    }

    /// The pod is deleted: it hands over, ends, and a new one takes its name.
    pub(crate) fn delete_pod(&mut self, pod: usize) {
        if self.pods[pod].gone || self.pods[pod].leaving {
            return;
        }
        self.pods[pod].leaving = true;
        self.report_pods();
        let boot = self.pods[pod].boot;
        let hands_over = self.pods[pod].manager.accepts_writes();
        let begun = self.now;
        self.manager_does(pod, boot, Duration::ZERO, move |world| {
            world.input(pod, Input::Leave);
            world.leaves(pod, boot, begun, hands_over);
        });
        self.after(GRACE, move |world| world.remove_pod(pod));
    }

    fn leaves(&mut self, pod: usize, boot: u64, begun: Duration, hands_over: bool) {
        let passed = self.now.saturating_sub(begun);
        let accepts = self.pods[pod].manager.accepts_writes();
        if hands_over && accepts && passed < GRACE / 3 {
            return self.look_again(pod, boot, begun, hands_over);
        }
        if !self.pods[pod].manager.is_stopping() {
            self.input(pod, Input::Stop);
        }
        let reigned = self.pods[pod].manager.reigned();
        let succeeded =
            self.lease.as_ref().is_some_and(|lease| lease.holder.is_some() && lease.term > reigned);
        let waits = hands_over && !succeeded && passed < GRACE * 2 / 3;
        if self.pods[pod].manager.accepts_writes() || waits {
            return self.look_again(pod, boot, begun, hands_over);
        }
        self.remove_pod(pod);
    }

    fn look_again(&mut self, pod: usize, boot: u64, begun: Duration, hands_over: bool) {
        self.manager_does(pod, boot, Duration::from_millis(50), move |world| {
            world.leaves(pod, boot, begun, hands_over);
        });
    }

    /// The pod ends for good, and a new one takes its name.
    pub(crate) fn remove_pod(&mut self, pod: usize) {
        if self.pods[pod].gone {
            return;
        }
        let in_order = !self.pods[pod].manager.accepts_writes();
        self.end_manager(pod, in_order);
        self.pods[pod].gone = true;
        let name = self.pods[pod].name.clone();
        if self.current.get(&name) == Some(&pod) {
            let delay = self.millis(100, 2_000);
            self.after(delay, move |world| {
                world.create_pod(&name);
            });
        }
        self.report_pods();
    }
}
