//! What the operator and people ask for: each verb belongs to a term, and is refused when that is over.

use super::{Command, Effect, Manager, Moment, Refusal, State};
use crate::protocol::{Name, Peers, Term};

impl Manager {
    pub(super) fn promote(&mut self, now: Moment, term: Term, version: u64) -> Result<Vec<Effect>, Refusal> {
        if term < self.seen || term <= self.reigned {
            return Err(Refusal::Stale);
        }
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        if self.state != State::Held || self.restarted {
            return Err(Refusal::NotHeld);
        }
        let request = self.request(now);
        self.state = State::Taking { term, request };
        let mut effects = self.learn(term);
        effects.push(Effect::WriteLease {
            request: request.number,
            version,
            term,
            holder: Some(self.identity.clone()),
            peers: Peers::new(),
        });
        Ok(effects)
    }

    pub(super) fn hold(&mut self, now: Moment, term: Term) -> Result<Vec<Effect>, Refusal> {
        if term < self.seen || term <= self.reigned {
            return Err(Refusal::Stale);
        }
        let mut effects = self.learn(term);
        self.restarted &= matches!(self.state, State::Killing { .. } | State::Dead);
        match self.state.clone() {
            State::Promoting { grant } | State::Primary { grant, .. } => {
                effects.extend(self.fence(now, grant));
            }
            State::Following { .. } => {
                self.state = State::Detaching;
                effects.push(self.command(Command::Hold));
            }
            // The verb may outrun the answer to the request; the lease decides then, and the term is not taken.
            State::Taking { .. } => self.state = State::Held,
            State::Held | State::Detaching | State::Fencing { .. } | State::Killing { .. } | State::Dead => {}
        }
        Ok(effects)
    }

    pub(super) fn follow(&mut self, now: Moment, term: Term, primary: Name) -> Result<Vec<Effect>, Refusal> {
        if primary == self.identity.name || term == self.reigned && self.accepts_writes() {
            return Err(Refusal::IsPrimary);
        }
        if term < self.seen {
            return Err(Refusal::Stale);
        }
        let mut effects = self.learn(term);
        match self.state.clone() {
            State::Promoting { grant } | State::Primary { grant, .. } => {
                effects.extend(self.fence(now, grant));
            }
            State::Held | State::Following { .. } => {
                self.handing_over = false;
                self.state = State::Following { primary: primary.clone(), confirmed: false };
                effects.push(self.command(Command::Follow(primary)));
            }
            State::Taking { .. } => return Err(Refusal::NotHeld),
            State::Detaching | State::Fencing { .. } | State::Killing { .. } | State::Dead => {}
        }
        Ok(effects)
    }

    pub(super) fn kick(&mut self, term: Term) -> Result<Vec<Effect>, Refusal> {
        if term < self.seen {
            return Err(Refusal::Stale);
        }
        if self.accepts_writes() {
            return Err(Refusal::IsPrimary);
        }
        Ok(vec![Effect::KickClients])
    }

    pub(super) fn hand_over(&mut self, term: Term) -> Result<Vec<Effect>, Refusal> {
        match &self.state {
            State::Primary { grant, .. } if grant.term == term => {
                self.handing_over = true;
                Ok(Vec::new())
            }
            _ if term < self.seen => Err(Refusal::Stale),
            _ => Err(Refusal::NotPrimary),
        }
    }
}
