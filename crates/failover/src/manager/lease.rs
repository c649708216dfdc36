//! The lease of a primary: taken, renewed, read again after an answer that tells nothing, and released.

use super::{ALONE, Command, Effect, Grant, LeaseAnswer, Manager, Moment, Pending, Request, State};
use crate::protocol::{Peers, Term, Timing};

impl Manager {
    pub(super) fn tick(&mut self, timing: &Timing, now: Moment) -> Vec<Effect> {
        let mut effects = self.keep_lease(timing, now);
        effects.extend(self.ask_for_consent(timing, now));
        effects
    }

    fn keep_lease(&mut self, timing: &Timing, now: Moment) -> Vec<Effect> {
        match self.state.clone() {
            State::Taking { request, .. } if now >= request.begun + timing.request_timeout => {
                self.state = State::Held;
                Vec::new()
            }
            State::Primary { grant, pending: Pending::Answer(request) }
                if now >= request.begun + timing.request_timeout =>
            {
                self.read(now, grant)
            }
            State::Primary { grant, pending: Pending::Retry(at) } if now >= at => self.read(now, grant),
            State::Primary { grant, pending: Pending::Nothing }
                if now >= grant.renewed + timing.renew_interval
                    || grant.version != ALONE && grant.peers.differs_from(&self.peers) =>
            {
                self.renew(now, grant)
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn lease(
        &mut self,
        timing: &Timing,
        now: Moment,
        number: u64,
        answer: LeaseAnswer,
    ) -> Vec<Effect> {
        match self.state.clone() {
            State::Taking { term, request } if request.number == number => {
                self.taken(timing, now, term, request, &answer)
            }
            State::Primary { grant, pending: Pending::Answer(request) } if request.number == number => {
                self.renewed(timing, now, grant, request, answer)
            }
            _ => Vec::new(),
        }
    }

    fn taken(
        &mut self,
        timing: &Timing,
        now: Moment,
        term: Term,
        request: Request,
        answer: &LeaseAnswer,
    ) -> Vec<Effect> {
        self.state = State::Held;
        let LeaseAnswer::Written { version } = *answer else { return Vec::new() };
        self.reigned = term;
        let grant = Grant::new(term, version, request.begun);
        if now >= grant.renewed + timing.soft_deadline {
            return self.release(now, &grant).into_iter().collect();
        }
        self.state = State::Promoting { grant };
        self.handing_over = false;
        vec![self.command(Command::Promote)]
    }

    fn renewed(
        &mut self,
        timing: &Timing,
        now: Moment,
        grant: Grant,
        request: Request,
        answer: LeaseAnswer,
    ) -> Vec<Effect> {
        match answer {
            LeaseAnswer::Written { version } => {
                let mut grant = Grant { version, ..grant };
                grant.peers.written();
                (grant.renewed, grant.by_consent) = (grant.renewed.max(request.begun), false);
                grant.leased = request.begun;
                self.state = State::Primary { grant, pending: Pending::Nothing };
                Vec::new()
            }
            LeaseAnswer::Read { holder, term, version }
                if holder.as_ref() == Some(&self.identity) && term == grant.term =>
            {
                self.renew(now, Grant { version, ..grant })
            }
            LeaseAnswer::Read { .. } => self.fence(now, grant),
            LeaseAnswer::Conflict => self.read(now, grant),
            // A connection that is refused is refused again at once.
            LeaseAnswer::Unknown => {
                let pending = Pending::Retry(now + timing.retry_interval);
                self.state = State::Primary { grant, pending };
                Vec::new()
            }
        }
    }

    fn renew(&mut self, now: Moment, mut grant: Grant) -> Vec<Effect> {
        let request = self.request(now);
        let (version, term) = (grant.version, grant.term);
        let peers = grant.peers.next_write(&self.peers);
        self.state = State::Primary { grant, pending: Pending::Answer(request) };
        let holder = Some(self.identity.clone());
        vec![Effect::WriteLease { request: request.number, version, term, holder, peers }]
    }

    fn read(&mut self, now: Moment, grant: Grant) -> Vec<Effect> {
        let request = self.request(now);
        self.state = State::Primary { grant, pending: Pending::Answer(request) };
        vec![Effect::ReadLease { request: request.number }]
    }

    pub(super) fn release(&mut self, now: Moment, grant: &Grant) -> Option<Effect> {
        if grant.version == ALONE {
            return None;
        }
        let request = self.request(now).number;
        let (version, term, peers) = (grant.version, grant.term, Peers::new());
        Some(Effect::WriteLease { request, version, term, holder: None, peers })
    }

    pub(super) fn request(&mut self, now: Moment) -> Request {
        self.requests += 1;
        Request { number: self.requests, begun: now }
    }
}
