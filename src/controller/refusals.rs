//! Recorded refusals of requests: the failure, the state of the service, and when to retry. Another state of the
//! service, or an edit of the resource, may change the answer.

use super::error::ReconcileError;
use crate::provider::ProviderError;
use tokio::time::{Duration, Instant};
use valkeeper_engine::{Failure, Refusal, Request, Step, failure::Class};

/// A transient failure that recurs this often with the same request no longer blocks other requests.
const PATIENCE: u32 = 3;
/// More than the requests that can be refused for one resource at a time; the oldest are dropped.
const MOST: usize = 12;

/// The requests of one resource that were refused.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Vec<Refused>);

#[derive(Clone, Debug)]
struct Refused {
    request: Request,
    attempts: u32,
    /// The reported failure, where the reconciliation continued after it.
    reported: Option<ReportedRefusal>,
}

#[derive(Clone, Debug)]
struct ReportedRefusal {
    failure: Failure,
    state: String,
    until: Instant,
}

/// Whether `error`, met for the `attempts`th time in a row, concerns only this request.
pub(super) fn concerns_one_request(error: &ReconcileError, attempts: u32) -> bool {
    // A token is refused for everything; and what was not sent, or is not understood, is no refusal.
    let of_everything = match error {
        ReconcileError::Token(_)
        | ReconcileError::NoTokenSecret { .. }
        | ReconcileError::TokenRejected(_)
        | ReconcileError::Backup(_)
        | ReconcileError::Defect(_) => true,
        ReconcileError::Provider(error) => {
            error.status() == Some(401) || matches!(error, ProviderError::Fenced { .. })
        }
        ReconcileError::Cluster(_) | ReconcileError::Missing { .. } | ReconcileError::Contradiction(_) => {
            false
        }
    };
    let of_this_request = match error.class() {
        Class::Denied | Class::Invalid => true,
        // A custom resource or a Secret that has changed is read again.
        Class::Conflict => matches!(error, ReconcileError::Provider(_)),
        Class::Transient => attempts >= PATIENCE,
        Class::NotFound | Class::Throttled { .. } | Class::Bug => false,
    };
    of_this_request && !of_everything
}

impl Refusals {
    /// Whether nothing is refused.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|refused| refused.reported.is_none())
    }

    /// How often in a row the request was refused.
    pub(super) fn attempts(&self, request: &Request) -> u32 {
        self.find(request).map_or(0, |refused| refused.attempts)
    }

    /// Records a failure that ends the reconciliation.
    pub(super) fn count(&mut self, request: Request, attempts: u32) {
        self.replace(Refused { request, attempts, reported: None });
    }

    /// Notes a refusal; the same request is not made again before `delay` is over.
    pub(super) fn note(&mut self, request: Request, failure: Failure, state: String, delay: Duration) {
        let attempts = self.attempts(&request) + 1;
        let reported = ReportedRefusal { failure, state, until: Instant::now() + delay };
        self.replace(Refused { request, attempts, reported: Some(reported) });
    }

    /// A step was taken: what was refused for the same purpose is over.
    pub(super) fn were_overcome_by(&mut self, step: &Step) {
        if let Some(request) = Request::of(step) {
            self.0.retain(|refused| !refused.request.has_the_purpose_of(&request));
        }
    }

    /// A reconciliation succeeded: a request that was due when the reconciliation decided to requeue, and was not
    /// made, is no longer wanted.
    pub(super) fn forget_unwanted(&mut self, decided: Instant) {
        self.0.retain(|refused| refused.reported.as_ref().is_some_and(|reported| decided < reported.until));
    }

    /// The same requests may be made again now.
    pub(super) fn try_again(&mut self) {
        for reported in self.0.iter_mut().filter_map(|refused| refused.reported.as_mut()) {
            reported.until = Instant::now();
        }
    }

    /// Refusals for the engine, for a service in this state.
    pub(super) fn seen_from(&self, state: &str, now: Instant) -> Vec<Refusal> {
        let seen = |refused: &Refused| {
            let reported = refused.reported.as_ref()?;
            let holds = now < reported.until && reported.state == state;
            Some(Refusal { request: refused.request.clone(), failure: reported.failure.clone(), holds })
        };
        self.0.iter().filter_map(seen).collect()
    }

    /// The time until the first of them may be made again.
    pub(super) fn next(&self) -> Option<Duration> {
        let times = self.0.iter().filter_map(|refused| refused.reported.as_ref());
        times.map(|reported| reported.until.saturating_duration_since(Instant::now())).min()
    }

    fn find(&self, request: &Request) -> Option<&Refused> {
        self.0.iter().find(|refused| refused.request == *request)
    }

    fn replace(&mut self, refused: Refused) {
        self.0.retain(|other| other.request != refused.request);
        self.0.push(refused);
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }
}
