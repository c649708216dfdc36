//! What instances, servers and the API server do in the model, and what must hold in every state.

use crate::*;

impl World {
    pub(crate) fn start(bounds: &Bounds) -> Self {
        let pod = |index| {
            let identity = Identity { name: name(index), pod: "u".into(), boot: 1 };
            let server = Server { alive: false, writable: false, queue: VecDeque::new() };
            Pod {
                manager: Manager::boot(identity, Term(0)),
                server,
                frozen: false,
                cut: false,
                deaf: false,
                history: Term(0),
                data: 0,
                saved: (Term(0), 0),
                incoming: 0,
                follows: None,
                begun: false,
                live: false,
            }
        };
        let mut world = Self {
            now: 0,
            holder: None,
            term: Term(0),
            version: 1,
            peers: Peers::new(),
            pods: (0..bounds.members).map(pod).collect(),
            verbs: Vec::new(),
            requests: Vec::new(),
            responses: Vec::new(),
            questions: Vec::new(),
            read: None,
            watched: 0,
            refused: None,
            fresh: false,
            granted: BTreeMap::new(),
            deviations: bounds.deviations,
            vacant: 0,
            written: 0,
            kept: 0,
            promised: 0,
            routed: None,
            broken: None,
        };
        for index in 0..bounds.members {
            world.boot_server(bounds, index);
        }
        world
    }

    pub(crate) fn boot_server(&mut self, bounds: &Bounds, at: usize) {
        let writable = bounds.mutation == Mutation::BootAsPrimary;
        self.pods[at].server = Server { alive: true, writable, queue: VecDeque::new() };
        self.input(bounds, at, Input::Started);
    }

    pub(crate) fn input(&mut self, bounds: &Bounds, at: usize, input: Input) {
        let now = Duration::from_secs(self.now.into());
        for effect in self.pods[at].manager.on(&timing(bounds, bounds.mutation), now, input).effects {
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
                Effect::AskPeers { request, term, peers } => self.ask_peers(at, request, term, &peers),
                Effect::KillServer => self.end_server(bounds, at),
                Effect::StartServer | Effect::StoreTerm(_) | Effect::KickClients => {}
            }
        }
    }

    pub(crate) fn end_server(&mut self, bounds: &Bounds, at: usize) {
        if self.pods[at].server.alive {
            self.forget_server(bounds, at);
            self.input(bounds, at, Input::Exited);
        }
    }

    pub(crate) fn forget_server(&mut self, bounds: &Bounds, at: usize) {
        let pod = &mut self.pods[at];
        pod.server = Server { alive: false, writable: false, queue: VecDeque::new() };
        (pod.incoming, pod.follows, pod.begun, pod.live) = (0, None, false, false);
        match bounds.disk {
            Disk::Whole => {}
            Disk::Behind => (pod.history, pod.data) = pod.saved,
            Disk::None => (pod.history, pod.data) = (Term(0), 0),
        }
    }

    pub(crate) fn answer(&mut self, bounds: &Bounds, effect: &Effect) -> LeaseAnswer {
        let Effect::WriteLease { version, term, holder, peers, .. } = effect else {
            return LeaseAnswer::Read { holder: self.holder.clone(), term: self.term, version: self.version };
        };
        if *version != self.version && bounds.mutation != Mutation::UnguardedLease {
            return LeaseAnswer::Conflict;
        }
        self.version += 1;
        self.term = *term;
        self.holder.clone_from(holder);
        self.peers.clone_from(peers);
        LeaseAnswer::Written { version: self.version }
    }

    pub(crate) fn obey(&mut self, bounds: &Bounds, at: usize) {
        let Some((number, command)) = self.pods[at].server.queue.pop_front() else { return };
        let pod = &mut self.pods[at];
        pod.server.writable = command == Command::Promote;
        (pod.incoming, pod.begun) = (0, false);
        pod.follows = match &command {
            Command::Follow(primary) => Some(index(primary)),
            Command::Hold | Command::Promote => None,
        };
        self.input(bounds, at, Input::Confirmed(number));
        if command == Command::Promote {
            let pod = &mut self.pods[at];
            (pod.history, pod.live) = (pod.manager.seen(), true);
            self.kept &= pod.data;
            self.give_up_nothing_promised(bounds, at);
        }
    }

    /// What is promised survives for as long as another instance has it.
    fn give_up_nothing_promised(&mut self, bounds: &Bounds, at: usize) {
        let elsewhere = self.pods.iter().fold(0, |all, pod| all | pod.data);
        let lost = self.promised & elsewhere & !self.pods[at].data;
        if bounds.durability == Durability::Quorum && lost != 0 {
            self.broken = Some("one is promoted without a write that is promised to survive".to_owned());
        }
    }

    pub(crate) fn note_promises(&mut self) {
        let mut once = 0;
        for pod in &self.pods {
            self.promised |= once & pod.data;
            once |= pod.data;
        }
    }

    /// The stream of a replica begins, with all that its primary has.
    pub(crate) fn begin_stream(&mut self, at: usize, primary: usize) {
        let (data, history) = (self.pods[primary].data, self.pods[primary].history);
        let pod = &mut self.pods[at];
        pod.saved = (pod.history, pod.data);
        (pod.data, pod.history, pod.begun, pod.live) = (data, history, true, true);
    }

    /// Each server that accepts writes takes one, and sends it to its replicas.
    pub(crate) fn write(&mut self) {
        for at in 0..self.pods.len() {
            let pod = &mut self.pods[at];
            if !pod.server.writable || pod.frozen || self.written >= WRITES {
                continue;
            }
            let write = 1 << self.written;
            pod.saved = (pod.history, pod.data);
            pod.data |= write;
            (self.written, self.kept) = (self.written + 1, self.kept | write);
            for replica in self.pods.iter_mut().filter(|pod| pod.follows == Some(at) && pod.begun) {
                replica.incoming |= write;
            }
        }
    }

    pub(crate) fn link_is_up(&self, at: usize) -> bool {
        let pod = &self.pods[at];
        pod.incoming != 0 || pod.follows.is_some_and(|primary| self.pods[primary].server.alive)
    }

    pub(crate) fn restart(&mut self, bounds: &Bounds, at: usize) {
        let old = self.pods[at].manager.clone();
        let identity = Identity { boot: old.identity().boot + 1, ..old.identity().clone() };
        self.pods[at].manager = Manager::boot(identity, old.seen());
        self.forget_server(bounds, at);
    }

    pub(crate) fn serve(&mut self, bounds: &Bounds, at: usize, arrives: bool) {
        let Request { from, boot, effect } = self.requests.remove(at);
        let (Effect::WriteLease { request, .. } | Effect::ReadLease { request }) = effect else { return };
        let answer = self.answer(bounds, &effect);
        if arrives {
            self.responses.push(Response { to: from, boot, request, answer });
        }
    }

    pub(crate) fn read_lease(&mut self) {
        if self.read.as_ref().map(|read| read.version) != Some(self.version) {
            self.watched = 0;
        }
        if self.read.as_ref().is_some_and(|read| read.term != self.term) {
            self.refused = None;
        }
        let (holder, peers) = (self.holder.clone(), self.peers.clone());
        let refuses =
            |pod: &&Pod| pod.hears() && pod.manager.seen() > self.term && peers.contains(&peer(pod));
        if self.pods.iter().any(|pod| refuses(&pod)) {
            self.refused.get_or_insert(0);
        }
        self.read = Some(LeaseReading { holder, term: self.term, version: self.version, peers });
        self.fresh = true;
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
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

    pub(crate) fn note_grants(&mut self) -> Result<(), String> {
        let Some(holder) = &self.holder else { return Ok(()) };
        let known = self.granted.entry(self.term).or_insert_with(|| holder.clone());
        if known == holder { Ok(()) } else { Err(format!("two instances held term {:?}", self.term)) }
    }
}
