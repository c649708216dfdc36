//! The manager's side: what one instance may do, given what it was asked and what the lease says.
//!
//! ```text
//!             Promote            lease taken            confirmed
//!    Held ──────────────▶ Taking ───────────▶ Promoting ─────────▶ Primary
//!     ▲ ▲ ◀───────────────┘ refused, unknown       │                  │ Hold, soft deadline,
//!     │ └────────── confirmed ── Fencing ◀─────────┴──────────────────┘ lease lost
//!     │                             │ not confirmed in time, hard deadline, server dead
//!     └──── started again ◀──── Killing
//!    Held ◀──Hold── Following ◀──Follow── Held
//! ```
//!
//! A server that does not answer is fenced like one without a lease. An instance that leaves goes on until it is
//! held by the operator, or until it has to stop, which is a fence as well.
//!
//! A promotion rests on what the instance had when it was held. If its server has been started since, that may be gone:
//! the promotion is refused until another verb to hold, whose answer says what there is.
//!
//! A primary that cannot renew its lease goes on while the peers consent that the lease names: see `consent`.
//!
//! Architecture invariant: an instance accepts writes only in `Promoting` and `Primary`, both of which carry a
//! grant, and neither outlives the grant's hard deadline on this machine's own clock.

mod consent;
mod lease;
mod lease_peers;
mod messages;
mod verbs;

pub use messages::{Command, ConsentAnswer, Effect, Input, LeaseAnswer, Reaction, Refusal};

use crate::protocol::{Identity, Name, Peers, Role, Term, Timing};
use lease_peers::LeasePeers;
use std::time::Duration;

/// A moment on a clock that counts suspend, as time since some start.
pub type Moment = Duration;

/// Stands for the version of a lease where there is none; no object ever has it.
const ALONE: u64 = 0;

/// The right to accept writes, until a deadline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Grant {
    term: Term,
    version: u64,
    /// When the last good renewal began, or the last question to peers to which all of them consented.
    renewed: Moment,
    /// It was such a question.
    by_consent: bool,
    /// When the last good renewal began.
    leased: Moment,
    peers: LeasePeers,
    /// Peers are asked now.
    asking: Option<Request>,
}

impl Grant {
    fn new(term: Term, version: u64, renewed: Moment) -> Self {
        let (by_consent, peers, asking) = (false, LeasePeers::default(), None);
        Self { term, version, renewed, by_consent, leased: renewed, peers, asking }
    }
}

/// A request to the API server under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Request {
    number: u64,
    begun: Moment,
}

/// What a primary has to do with its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pending {
    /// Nothing until it renews.
    Nothing,
    /// An answer is awaited.
    Answer(Request),
    /// The last answer told nothing; it reads the lease at this moment.
    Retry(Moment),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Held,
    Detaching,
    Taking { term: Term, request: Request },
    Promoting { grant: Grant },
    Primary { grant: Grant, pending: Pending },
    Fencing { grant: Option<Grant>, since: Moment },
    Killing { grant: Option<Grant> },
    Dead,
    Following { primary: Name, confirmed: bool },
}

/// The manager of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Manager {
    identity: Identity,
    seen: Term,
    /// The last term in which this instance accepted writes, or may have.
    reigned: Term,
    requests: u64,
    commands: u64,
    state: State,
    /// The server has been started since the last verb to hold.
    restarted: bool,
    leaving: bool,
    handing_over: bool,
    stopping: bool,
    /// Those that can be asked for consent now.
    peers: Peers,
}

impl Manager {
    /// A manager that has just started; its server boots held. `seen` was stored beside the data.
    pub fn boot(identity: Identity, seen: Term) -> Self {
        Self {
            identity,
            seen,
            reigned: Term(0),
            requests: 0,
            commands: 0,
            state: State::Dead,
            restarted: true,
            leaving: false,
            handing_over: false,
            stopping: false,
            peers: Peers::new(),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The highest term it knows of.
    pub fn seen(&self) -> Term {
        self.seen
    }

    /// What it reports.
    pub fn role(&self) -> Role {
        match &self.state {
            State::Held => Role::Held,
            State::Primary { grant, .. } => Role::Primary(grant.term),
            State::Following { primary, confirmed: true } => Role::Replica(primary.clone()),
            _ => Role::Changing,
        }
    }

    /// Whether its server was started after it was last held, so that an election may rest on what is gone.
    pub fn is_restarted(&self) -> bool {
        self.restarted
    }

    /// Whether it asks for another primary.
    pub fn is_leaving(&self) -> bool {
        self.leaving || self.handing_over || self.stopping
    }

    /// Whether it is about to end, and refuses every promotion.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The last term in which it accepted writes, or may have; 0 if there was none since it started.
    pub fn reigned(&self) -> Term {
        self.reigned
    }

    /// Whether its server may accept writes without a lease, because it began to as the only instance.
    pub fn reigns_alone(&self) -> bool {
        self.grant().is_some_and(|grant| grant.version == ALONE)
    }

    /// Whether it accepts writes because its peers consent, not because it has renewed its lease.
    pub fn reigns_by_consent(&self) -> bool {
        matches!(&self.state, State::Primary { grant, .. } if grant.by_consent)
    }

    /// Takes in what happened at `now`, and answers what to do. A refused verb has effects too: a deadline that
    /// has passed is noticed whatever the input.
    pub fn on(&mut self, timing: &Timing, now: Moment, input: Input) -> Reaction {
        let mut effects = self.watchdog(timing, now);
        let outcome = self.take_in(timing, now, input);
        let refused = outcome.as_ref().err().copied();
        effects.extend(outcome.unwrap_or_default());
        Reaction { effects, refused }
    }

    fn take_in(&mut self, timing: &Timing, now: Moment, input: Input) -> Result<Vec<Effect>, Refusal> {
        Ok(match input {
            Input::Tick => self.tick(timing, now),
            Input::Promote { term, version } => self.promote(now, term, version)?,
            Input::Hold { term } => self.hold(now, term)?,
            Input::Follow { term, primary } => self.follow(now, term, primary)?,
            Input::Lease { request, answer } => self.lease(timing, now, request, answer),
            Input::Peers(peers) => {
                self.peers = peers;
                Vec::new()
            }
            Input::Consent { request, answer } => self.consent(now, request, answer),
            Input::Confirmed(number) if number == self.commands => self.confirmed(now),
            Input::Confirmed(_) => Vec::new(),
            Input::Exited => self.exited(now),
            Input::Started => self.started(),
            Input::Unresponsive => self.unresponsive(now),
            Input::Kick { term } => self.kick(term)?,
            Input::HandOver { term } => self.hand_over(term)?,
            Input::Leave => {
                self.leaving = true;
                Vec::new()
            }
            Input::Stop => self.stop(now),
            Input::ReignAlone => self.reign_alone(now),
        })
    }

    /// When its server must have stopped accepting writes, if it may do so now.
    pub fn deadline(&self, timing: &Timing) -> Option<Moment> {
        self.grant().map(|grant| grant.renewed + timing.hard_deadline)
    }

    fn grant(&self) -> Option<&Grant> {
        match &self.state {
            State::Promoting { grant } | State::Primary { grant, .. } => Some(grant),
            State::Fencing { grant, .. } | State::Killing { grant } => grant.as_ref(),
            _ => None,
        }
    }

    /// Before anything else: nobody accepts writes past the deadline, however long this process stood still.
    fn watchdog(&mut self, timing: &Timing, now: Moment) -> Vec<Effect> {
        let (State::Promoting { grant } | State::Primary { grant, .. }) = &self.state else {
            return match &self.state {
                State::Fencing { grant, since }
                    if now >= *since + timing.fence_timeout
                        || grant
                            .as_ref()
                            .is_some_and(|grant| now >= grant.renewed + timing.hard_deadline) =>
                {
                    self.state = State::Killing { grant: grant.clone() };
                    vec![Effect::KillServer]
                }
                _ => Vec::new(),
            };
        };
        let grant = grant.clone();
        if now >= grant.renewed + timing.hard_deadline {
            self.state = State::Killing { grant: Some(grant) };
            vec![Effect::KillServer]
        } else if now >= grant.renewed + timing.soft_deadline {
            self.fence(now, grant)
        } else {
            Vec::new()
        }
    }

    fn fence(&mut self, now: Moment, grant: Grant) -> Vec<Effect> {
        self.state = State::Fencing { grant: Some(grant), since: now };
        vec![self.command(Command::Hold)]
    }

    fn confirmed(&mut self, now: Moment) -> Vec<Effect> {
        match self.state.clone() {
            State::Promoting { grant } => self.state = State::Primary { grant, pending: Pending::Nothing },
            State::Detaching => self.state = State::Held,
            State::Following { primary, .. } => self.state = State::Following { primary, confirmed: true },
            State::Fencing { grant, .. } => {
                self.state = State::Held;
                return grant.iter().filter_map(|grant| self.release(now, grant)).collect();
            }
            State::Held
            | State::Taking { .. }
            | State::Primary { .. }
            | State::Killing { .. }
            | State::Dead => {}
        }
        Vec::new()
    }

    fn exited(&mut self, now: Moment) -> Vec<Effect> {
        (self.handing_over, self.restarted) = (false, true);
        let grant = match &self.state {
            State::Promoting { grant } | State::Primary { grant, .. } => Some(grant.clone()),
            State::Fencing { grant, .. } | State::Killing { grant } => grant.clone(),
            _ => None,
        };
        self.state = State::Dead;
        let mut effects: Vec<_> = grant.iter().filter_map(|grant| self.release(now, grant)).collect();
        if !self.stopping {
            effects.push(Effect::StartServer);
        }
        effects
    }

    fn started(&mut self) -> Vec<Effect> {
        if self.state == State::Dead {
            self.state = State::Held;
        }
        Vec::new()
    }

    /// A server that does not answer cannot be trusted with the lease; if it does not even confirm that it is
    /// held, it is killed. So is one that others wait for.
    fn unresponsive(&mut self, now: Moment) -> Vec<Effect> {
        match self.state.clone() {
            State::Promoting { grant } | State::Primary { grant, .. } => self.fence(now, grant),
            State::Detaching | State::Following { confirmed: false, .. } => {
                self.state = State::Killing { grant: None };
                vec![Effect::KillServer]
            }
            _ => Vec::new(),
        }
    }

    fn stop(&mut self, now: Moment) -> Vec<Effect> {
        self.stopping = true;
        match self.state.clone() {
            State::Promoting { grant } | State::Primary { grant, .. } => self.fence(now, grant),
            // The lease decides; the term is not taken, whatever the answer.
            State::Taking { .. } => {
                self.state = State::Held;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// In a term of its own in any case: no other instance has what is written from now on.
    fn reign_alone(&mut self, now: Moment) -> Vec<Effect> {
        let term = self.seen.next();
        let grant = Grant::new(term, ALONE, now);
        let takes = match &self.state {
            State::Held if !self.stopping => {
                self.state = State::Promoting { grant };
                true
            }
            State::Primary { grant: leased, .. } if leased.version != ALONE => {
                self.state = State::Primary { grant, pending: Pending::Nothing };
                false
            }
            _ => return Vec::new(),
        };
        let mut effects = self.learn(term);
        self.reigned = term;
        if takes {
            effects.push(self.command(Command::Promote));
        }
        effects
    }

    /// Whether its server may accept writes now.
    pub fn accepts_writes(&self) -> bool {
        matches!(
            self.state,
            State::Promoting { .. } | State::Primary { .. } | State::Fencing { .. } | State::Killing { .. }
        )
    }

    fn learn(&mut self, term: Term) -> Vec<Effect> {
        if term <= self.seen {
            return Vec::new();
        }
        self.seen = term;
        vec![Effect::StoreTerm(term)]
    }

    fn command(&mut self, command: Command) -> Effect {
        self.commands += 1;
        Effect::Server { number: self.commands, command }
    }
}
