//! A primary that cannot renew its lease goes on while all peers consent that the lease names.
//!
//! ```text
//!   lease with peers ── no renewal for `consent_after` ──▶ ask all ── all given ──▶ as if renewed when it was asked
//!                                                            │  ▲ └─── one refused ──▶ fence
//!                                                            └──┘ no answer: again, until the soft deadline
//! ```
//!
//! Guarantees: the operator promotes another instance without a release of the lease only after a named peer has refused for
//! one term; so the holder has stopped. Consent counts for a limited time after the last renewal, so that a lease whose peers
//! are all lost is free at last.

use super::{ConsentAnswer, Effect, Manager, Moment, State};
use crate::protocol::Timing;

impl Manager {
    /// Asks when renewals fail, and again when no answer came.
    pub(super) fn ask_for_consent(&mut self, timing: &Timing, now: Moment) -> Option<Effect> {
        let State::Primary { grant, .. } = &self.state else { return None };
        let is_due = now >= grant.renewed + timing.consent_after
            && now < grant.leased + timing.consent_limit
            && grant.asking.is_none_or(|request| now >= request.begun + timing.request_timeout);
        let peers = grant.peers.to_ask().filter(|_| is_due)?;
        let term = grant.term;
        let request = self.request(now);
        if let State::Primary { grant, .. } = &mut self.state {
            grant.asking = Some(request);
        }
        Some(Effect::AskPeers { request: request.number, term, peers })
    }

    pub(super) fn consent(&mut self, now: Moment, number: u64, answer: ConsentAnswer) -> Vec<Effect> {
        let State::Primary { grant, .. } = &mut self.state else { return Vec::new() };
        let Some(request) = grant.asking.filter(|request| request.number == number) else {
            return Vec::new();
        };
        match answer {
            ConsentAnswer::Given => {
                grant.asking = None;
                if request.begun > grant.renewed {
                    (grant.renewed, grant.by_consent) = (request.begun, true);
                }
                Vec::new()
            }
            ConsentAnswer::Refused => {
                let grant = grant.clone();
                self.fence(now, grant)
            }
            ConsentAnswer::Unknown => Vec::new(),
        }
    }
}
