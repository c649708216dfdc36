//! The lease of a primary: taken, renewed, read again after an answer that tells nothing, and released.

use super::{ALONE, Command, Effect, Grant, LeaseAnswer, Manager, Moment, Pending, Request, State};
use crate::protocol::{Term, Timing};

impl Manager {
    pub(super) fn tick(&mut self, timing: &Timing, now: Moment) -> Vec<Effect> {
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
                if now >= grant.renewed + timing.renew_interval =>
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
        let grant = Grant { term, version, renewed: request.begun };
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
                let grant = Grant { version, renewed: request.begun, ..grant };
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

    fn renew(&mut self, now: Moment, grant: Grant) -> Vec<Effect> {
        let request = self.request(now);
        let (version, term) = (grant.version, grant.term);
        self.state = State::Primary { grant, pending: Pending::Answer(request) };
        let holder = Some(self.identity.clone());
        vec![Effect::WriteLease { request: request.number, version, term, holder }]
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
        Some(Effect::WriteLease { request, version: grant.version, term: grant.term, holder: None })
    }

    pub(super) fn request(&mut self, now: Moment) -> Request {
        self.requests += 1;
        Request { number: self.requests, begun: now }
    }
}
