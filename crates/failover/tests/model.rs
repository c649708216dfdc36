//! The protocol, explored exhaustively: an operator that crashes and stands still, two or three managers that
//! freeze and restart, servers that end, verbs and lease requests that are lost, late or repeated, and an
//! operator's clock that runs up to twice as fast as the managers'. Every state within the bounds is visited once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    time::Duration,
};
use valkeeper_failover::{
    Identity, Name, Position, Term,
    manager::{Command, Effect, Input, LeaseAnswer, Manager},
    operator::{self, Lease, Member, Policy, Step, View},
    protocol::{Status, Timing},
};

/// What is done wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    None,
    /// The operator does not wait for the term of a silent holder to end.
    NoWait,
    /// A server accepts writes as soon as it is started.
    BootAsPrimary,
    /// A manager takes the command to hold for its confirmation.
    FenceUnconfirmed,
    /// The API server does not compare versions.
    UnguardedLease,
    /// Nobody looks at the clock.
    NoDeadline,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    members: usize,
    horizon: u8,
    deviations: u8,
    operator_rate: u8,
    states: usize,
    mutation: Mutation,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Server {
    alive: bool,
    writable: bool,
    queue: VecDeque<(u64, Command)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pod {
    manager: Manager,
    server: Server,
    frozen: bool,
    /// Nothing that it asks of the API server arrives.
    cut: bool,
    /// Nothing that the operator asks of it arrives.
    deaf: bool,
    position: Position,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Verb {
    Hold(usize, Term),
    Promote(usize, Term, u64),
    Follow(usize, usize, Term),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Request {
    from: usize,
    boot: u64,
    effect: Effect,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Response {
    to: usize,
    boot: u64,
    request: u64,
    answer: LeaseAnswer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    holder: Option<Identity>,
    term: Term,
    version: u64,
    pods: Vec<Pod>,
    verbs: Vec<Verb>,
    requests: Vec<Request>,
    responses: Vec<Response>,
    /// Version and term that the operator has read last, and for how long by its clock.
    read: Option<(Option<Identity>, Term, u64)>,
    watched: u8,
    fresh: bool,
    granted: BTreeMap<Term, Identity>,
    deviations: u8,
}

fn timing(mutation: Mutation) -> Timing {
    let ticks = |ticks| Duration::from_secs(ticks);
    let (soft, hard) = if mutation == Mutation::NoDeadline { (100, 100) } else { (1, 2) };
    Timing {
        lease_duration: ticks(5),
        hard_deadline: ticks(hard),
        soft_deadline: ticks(soft),
        renew_interval: ticks(0),
        retry_interval: ticks(0),
        request_timeout: ticks(1),
        fence_timeout: ticks(1),
    }
}

fn name(index: usize) -> Name {
    ["a", "b", "c"][index].into()
}

impl Pod {
    fn hears(&self) -> bool {
        !self.frozen && !self.deaf
    }
}

impl Verb {
    fn to(&self) -> usize {
        match self {
            Self::Hold(to, _) | Self::Promote(to, ..) | Self::Follow(to, ..) => *to,
        }
    }

    fn input(&self) -> Input {
        match self {
            Self::Hold(_, term) => Input::Hold { term: *term },
            Self::Promote(_, term, version) => Input::Promote { term: *term, version: *version },
            Self::Follow(_, primary, term) => Input::Follow { term: *term, primary: name(*primary) },
        }
    }
}

fn index(name: &Name) -> usize {
    ["a", "b", "c"].iter().position(|known| *name == Name::from(*known)).unwrap()
}

impl World {
    fn start(bounds: &Bounds) -> Self {
        let pod = |index| {
            let identity = Identity { name: name(index), pod: "u".into(), boot: 1 };
            let server = Server { alive: false, writable: false, queue: VecDeque::new() };
            Pod {
                manager: Manager::boot(identity, Term(0)),
                server,
                frozen: false,
                cut: false,
                deaf: false,
                position: Position::default(),
            }
        };
        let mut world = Self {
            now: 0,
            holder: None,
            term: Term(0),
            version: 1,
            pods: (0..bounds.members).map(pod).collect(),
            verbs: Vec::new(),
            requests: Vec::new(),
            responses: Vec::new(),
            read: None,
            watched: 0,
            fresh: false,
            granted: BTreeMap::new(),
            deviations: bounds.deviations,
        };
        for index in 0..bounds.members {
            world.boot_server(bounds, index);
        }
        world
    }

    fn boot_server(&mut self, bounds: &Bounds, at: usize) {
        let writable = bounds.mutation == Mutation::BootAsPrimary;
        self.pods[at].server = Server { alive: true, writable, queue: VecDeque::new() };
        self.input(bounds, at, Input::Started);
    }

    fn input(&mut self, bounds: &Bounds, at: usize, input: Input) {
        let now = Duration::from_secs(self.now.into());
        for effect in self.pods[at].manager.on(&timing(bounds.mutation), now, input).effects {
            match effect {
                Effect::WriteLease { .. } | Effect::ReadLease { .. } if self.pods[at].cut => {}
                Effect::WriteLease { .. } | Effect::ReadLease { .. } => {
                    let boot = self.pods[at].manager.identity().boot;
                    self.requests.push(Request { from: at, boot, effect });
                }
                Effect::Server { number, command } => {
                    let hold = command == Command::Hold;
                    self.pods[at].server.queue.push_back((number, command));
                    if hold && bounds.mutation == Mutation::FenceUnconfirmed {
                        self.input(bounds, at, Input::Confirmed(number));
                    }
                }
                Effect::KillServer => self.end_server(bounds, at),
                Effect::StartServer | Effect::StoreTerm(_) | Effect::KickClients => {}
            }
        }
    }

    fn end_server(&mut self, bounds: &Bounds, at: usize) {
        if self.pods[at].server.alive {
            self.pods[at].server = Server { alive: false, writable: false, queue: VecDeque::new() };
            self.input(bounds, at, Input::Exited);
        }
    }

    fn answer(&mut self, bounds: &Bounds, effect: &Effect) -> LeaseAnswer {
        let Effect::WriteLease { version, term, holder, .. } = effect else {
            return LeaseAnswer::Read { holder: self.holder.clone(), term: self.term, version: self.version };
        };
        if *version != self.version && bounds.mutation != Mutation::UnguardedLease {
            return LeaseAnswer::Conflict;
        }
        self.version += 1;
        self.term = *term;
        self.holder.clone_from(holder);
        LeaseAnswer::Written { version: self.version }
    }

    fn obey(&mut self, bounds: &Bounds, at: usize) {
        let Some((number, command)) = self.pods[at].server.queue.pop_front() else { return };
        self.pods[at].server.writable = command == Command::Promote;
        if let Command::Follow(primary) = &command {
            self.pods[at].position = self.pods[index(primary)].position;
        }
        self.input(bounds, at, Input::Confirmed(number));
        if command == Command::Promote {
            self.pods[at].position = Position { term: self.pods[at].manager.seen(), offset: 0 };
        }
    }

    fn restart(&mut self, at: usize) {
        let old = self.pods[at].manager.clone();
        let identity = Identity { boot: old.identity().boot + 1, ..old.identity().clone() };
        self.pods[at].manager = Manager::boot(identity, old.seen());
        self.pods[at].server = Server { alive: false, writable: false, queue: VecDeque::new() };
    }

    fn serve(&mut self, bounds: &Bounds, at: usize, arrives: bool) {
        let Request { from, boot, effect } = self.requests.remove(at);
        let (Effect::WriteLease { request, .. } | Effect::ReadLease { request }) = effect else { return };
        let answer = self.answer(bounds, &effect);
        if arrives {
            self.responses.push(Response { to: from, boot, request, answer });
        }
    }

    fn read_lease(&mut self) {
        if self.read.as_ref().map(|(_, _, version)| *version) != Some(self.version) {
            self.watched = 0;
        }
        self.read = Some((self.holder.clone(), self.term, self.version));
        self.fresh = true;
    }

    fn status(&self, at: usize) -> Status {
        let pod = &self.pods[at];
        Status {
            identity: pod.manager.identity().clone(),
            seen: pod.manager.seen(),
            role: pod.manager.role(),
            position: Some(pod.position),
            live: true,
            streaming: false,
            synced: true,
            leaving: pod.manager.is_leaving(),
            stopping: pod.manager.is_stopping(),
            misrouted: false,
        }
    }

    /// What the operator decides, if the members of `answering` answer now.
    fn decide(&self, bounds: &Bounds, answering: &[bool]) -> Option<Verb> {
        let (holder, term, version) = self.read.clone()?;
        let unchanged = if bounds.mutation == Mutation::NoWait { 5 } else { self.watched.into() };
        let members = (0..self.pods.len()).map(|at| {
            let status = answering[at].then(|| self.status(at));
            (name(at), Member { status, ..Member::default() })
        });
        let view = View {
            lease: Some(Lease { holder, term, version, unchanged_for: Duration::from_secs(unchanged) }),
            members: members.collect(),
            remembered: Term(0),
            vacant_for: Duration::from_mins(1),
            routed: self.holder.iter().map(|holder| holder.name.clone()).collect(),
        };
        let policy = Policy {
            failover_after: Duration::ZERO,
            drain: Duration::ZERO,
            quorum: None,
            without_missing: true,
        };
        match operator::decide(&policy, &timing(Mutation::None), &view) {
            Step::Hold(name, term) => Some(Verb::Hold(index(&name), term)),
            Step::Promote(name, term, version) => Some(Verb::Promote(index(&name), term, version)),
            Step::Follow(name, primary, term) => Some(Verb::Follow(index(&name), index(&primary), term)),
            // None of these changes what anybody may do.
            Step::CreateLease(_) | Step::Wait(_) | Step::Settled(..) | Step::Route(..) | Step::Kick(..) => {
                None
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        let writers = self.pods.iter().filter(|pod| pod.server.writable && !pod.frozen).count();
        if writers > 1 {
            return Err("two servers accept writes".to_owned());
        }
        for pod in &self.pods {
            if pod.server.writable && !pod.manager.accepts_writes() {
                return Err(format!(
                    "a server accepts writes that its manager calls {:?}",
                    pod.manager.role()
                ));
            }
        }
        Ok(())
    }

    fn note_grants(&mut self) -> Result<(), String> {
        let Some(holder) = &self.holder else { return Ok(()) };
        let known = self.granted.entry(self.term).or_insert_with(|| holder.clone());
        if known == holder { Ok(()) } else { Err(format!("two instances held term {:?}", self.term)) }
    }
}

/// The moves that are possible, the most natural first: that one is free, every other spends one of the world's
/// deviations. So all schedules are explored that differ from the natural one in at most that many places.
fn successors(bounds: &Bounds, world: &World) -> Vec<(String, World)> {
    let mut moves = Moves { world, found: Vec::new() };
    moves.servers(bounds);
    moves.answers(bounds);
    moves.requests(bounds);
    moves.verbs(bounds);
    moves.operator(bounds);
    moves.time(bounds);
    let mut found = moves.found;
    if world.deviations == 0 {
        found.truncate(1);
    } else {
        for (_, next) in found.iter_mut().skip(1) {
            next.deviations -= 1;
        }
        let mut faults = Moves { world, found: Vec::new() };
        faults.faults(bounds);
        found.extend(faults.found.into_iter().map(|(what, mut next)| {
            next.deviations -= 1;
            (what, next)
        }));
    }
    found
}

struct Moves<'world> {
    world: &'world World,
    found: Vec<(String, World)>,
}

impl Moves<'_> {
    fn add(&mut self, what: String, change: impl FnOnce(&mut World)) {
        let mut changed = self.world.clone();
        change(&mut changed);
        self.found.push((what, changed));
    }

    fn servers(&mut self, bounds: &Bounds) {
        for (at, pod) in self.world.pods.iter().enumerate() {
            if pod.frozen {
                continue;
            }
            if !pod.server.alive {
                self.add(format!("the server of {at} starts"), |world| world.boot_server(bounds, at));
            } else if !pod.server.queue.is_empty() {
                self.add(format!("the server of {at} obeys"), |world| world.obey(bounds, at));
            }
        }
    }

    fn answers(&mut self, bounds: &Bounds) {
        for (at, response) in self.world.responses.iter().enumerate() {
            if !self.world.pods[response.to].frozen {
                self.add(format!("an answer reaches {}", response.to), |world| {
                    let Response { to, boot, request, answer } = world.responses.remove(at);
                    // Nobody listens for what an earlier process has asked.
                    if world.pods[to].manager.identity().boot == boot {
                        world.input(bounds, to, Input::Lease { request, answer });
                    }
                });
            }
        }
    }

    fn requests(&mut self, bounds: &Bounds) {
        for at in 0..self.world.requests.len() {
            let from = self.world.requests[at].from;
            self.add(format!("a request of {from} takes effect"), |world| world.serve(bounds, at, true));
        }
    }

    fn verbs(&mut self, bounds: &Bounds) {
        for (at, verb) in self.world.verbs.iter().enumerate() {
            if self.world.pods[verb.to()].hears() {
                self.add(format!("{verb:?} arrives"), |world| {
                    let verb = world.verbs.remove(at);
                    world.input(bounds, verb.to(), verb.input());
                });
            }
        }
    }

    fn operator(&mut self, bounds: &Bounds) {
        if !self.world.fresh {
            self.add("the operator reads the lease".to_owned(), World::read_lease);
            return;
        }
        let mut decided = HashSet::new();
        let count = self.world.pods.len();
        for mask in (0..1_u8 << count).rev() {
            let answering = |at: usize| mask & (1 << at) != 0 && self.world.pods[at].hears();
            let answering: Vec<_> = (0..count).map(answering).collect();
            if let Some(verb) = self.world.decide(bounds, &answering)
                && decided.insert(verb.clone())
                && !self.world.verbs.contains(&verb)
            {
                self.add(format!("the operator sends {verb:?}"), |world| {
                    world.verbs.push(verb);
                    world.fresh = false;
                });
            }
        }
    }

    fn time(&mut self, bounds: &Bounds) {
        if self.world.now >= bounds.horizon {
            return;
        }
        self.add("a tick".to_owned(), |world| {
            world.now += 1;
            world.watched = (world.watched + bounds.operator_rate).min(5);
            world.fresh = false;
            for at in 0..world.pods.len() {
                if !world.pods[at].frozen {
                    world.input(bounds, at, Input::Tick);
                }
            }
        });
    }

    fn faults(&mut self, bounds: &Bounds) {
        for (at, pod) in self.world.pods.iter().enumerate() {
            if pod.frozen {
                self.add(format!("{at} thaws"), |world| {
                    world.pods[at].frozen = false;
                    world.input(bounds, at, Input::Tick);
                });
                for (which, verb) in self.world.verbs.iter().enumerate().filter(|(_, verb)| verb.to() == at) {
                    self.add(format!("{at} thaws, and {verb:?} is the first that it hears"), |world| {
                        world.pods[at].frozen = false;
                        let verb = world.verbs.remove(which);
                        world.input(bounds, at, verb.input());
                    });
                }
                continue;
            }
            self.add(format!("{at} freezes"), |world| world.pods[at].frozen = true);
            self.add(format!("{at} and the API server: cut"), |world| {
                world.pods[at].cut = !world.pods[at].cut;
            });
            self.add(format!("{at} and the operator: cut"), |world| {
                world.pods[at].deaf = !world.pods[at].deaf;
            });
            if pod.server.alive {
                self.add(format!("the server of {at} ends"), |world| world.end_server(bounds, at));
            }
            self.add(format!("{at} restarts"), |world| world.restart(at));
            self.add(format!("the server of {at} does not answer"), |world| {
                world.input(bounds, at, Input::Unresponsive);
            });
            if !pod.manager.is_leaving() {
                self.add(format!("{at} is about to stop"), |world| world.input(bounds, at, Input::Leave));
            }
            self.add(format!("{at} has to stop"), |world| world.input(bounds, at, Input::Stop));
        }
        for at in 0..self.world.requests.len() {
            self.add(format!("request {at} is lost"), |world| {
                world.requests.remove(at);
            });
            self.add(format!("request {at} takes effect, its answer is lost"), |world| {
                world.serve(bounds, at, false);
            });
        }
        for (at, verb) in self.world.verbs.iter().enumerate() {
            self.add(format!("{verb:?} is lost"), |world| {
                world.verbs.remove(at);
            });
            if self.world.pods[verb.to()].hears() {
                self.add(format!("{verb:?} arrives and will again"), |world| {
                    world.input(bounds, verb.to(), verb.input());
                });
            }
        }
        self.add("another operator takes over".to_owned(), |world| {
            world.read = None;
            world.watched = 0;
            world.fresh = false;
        });
    }
}

struct Explored {
    states: usize,
    reigns: usize,
    violation: Option<(String, Vec<String>)>,
}

fn explore(bounds: Bounds) -> Explored {
    let start = World::start(&bounds);
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

fn run(members: usize, deviations: u8, operator_rate: u8, mutation: Mutation) -> Explored {
    let explored =
        explore(Bounds { members, horizon: 16, deviations, operator_rate, states: 500_000, mutation });
    println!(
        "{members} members, {deviations} deviations, rate {operator_rate}, {mutation:?}: {} states, {} reigns",
        explored.states, explored.reigns
    );
    if let Some((rule, way)) = &explored.violation {
        println!("{rule}\n  {}", way.join("\n  "));
    }
    explored
}

#[test]
fn protocol_holds_with_two_members() {
    for rate in [1, 2] {
        let explored = run(2, 3, rate, Mutation::None);
        assert_eq!(explored.violation, None);
        assert!(explored.reigns >= 3);
    }
}

#[test]
fn protocol_holds_with_three_members() {
    assert_eq!(run(3, 2, 2, Mutation::None).violation, None);
}

#[test]
fn every_mutation_is_found() {
    for mutation in [
        Mutation::NoWait,
        Mutation::BootAsPrimary,
        Mutation::FenceUnconfirmed,
        Mutation::UnguardedLease,
        Mutation::NoDeadline,
    ] {
        assert!(run(2, 2, 2, mutation).violation.is_some(), "{mutation:?} was not found");
    }
}
