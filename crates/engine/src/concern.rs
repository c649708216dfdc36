//! The answer of one concern of a resource, and how all answers become one decision. A concern that can act names the
//! step; one that cannot names the reason. Neither blocks the other concerns:
//!
//! ```text
//!   observed ──▶ secret, network, migration, settings, tags, power, …   each on its own
//!                   │ step?                  │ finding?
//!                   ▼                        ▼
//!              the first one            the most severe one
//! ```

use super::{
    observed::Observed,
    refusal::{Failure, Request},
    report::{DriftSeen, Ready, Report},
    step::{RequeueClass, Step},
};

/// What one concern answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Concern {
    /// What can be done for it now.
    pub(super) step: Option<Step>,
    /// The current finding; none when there is nothing to report.
    pub(super) finding: Option<Finding>,
    /// When to requeue if no event comes first.
    pub(super) again: Option<RequeueClass>,
    /// Declared fields that were changed externally at the provider.
    pub(super) drift: Option<DriftSeen>,
}

/// A statement for the `Ready` condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Whether the resource can be ready with it.
    pub(super) ready: Ready,
    /// One of the reasons in [`reason`](valkeeper_api::names::reason).
    pub(super) reason: &'static str,
    /// For people.
    pub(super) message: String,
}

impl Concern {
    /// Nothing to do and nothing to report.
    pub(super) fn fine() -> Self {
        Self::default()
    }

    /// Something can be done now.
    pub(super) fn act(step: Step, reason: &'static str, message: impl Into<String>) -> Self {
        Self { step: Some(step), ..Self::finds(Ready::Progressing, reason, message) }
    }

    /// In sync, with a finding to report.
    pub(super) fn holds(reason: &'static str, message: impl Into<String>) -> Self {
        Self::finds(Ready::Yes, reason, message)
    }

    /// Becomes in sync without user action.
    pub(super) fn waits(reason: &'static str, message: impl Into<String>, requeue: RequeueClass) -> Self {
        Self { again: Some(requeue), ..Self::finds(Ready::Progressing, reason, message) }
    }

    /// What was true before may well still be.
    pub(super) fn remains(reason: &'static str, message: impl Into<String>, requeue: RequeueClass) -> Self {
        Self { again: Some(requeue), ..Self::finds(Ready::Unchanged, reason, message) }
    }

    /// A user has to act.
    pub(super) fn is_stuck(reason: &'static str, message: impl Into<String>, requeue: RequeueClass) -> Self {
        Self { again: Some(requeue), ..Self::finds(Ready::Stuck, reason, message) }
    }

    fn finds(ready: Ready, reason: &'static str, message: impl Into<String>) -> Self {
        Self { finding: Some(Finding { ready, reason, message: message.into() }), ..Self::default() }
    }

    /// The same concern, whose step is left out if exactly that was refused and it is not yet time to try again.
    pub(super) fn unless_refused(self, observed: &Observed) -> Self {
        let request = self.step.as_ref().and_then(Request::of);
        let Some(failure) = request.and_then(|request| observed.refusal(&request)) else { return self };
        Self {
            finding: Some(Finding::of(failure)),
            again: Some(RequeueClass::AwaitingSpecChange),
            ..Self::default()
        }
    }
}

impl Finding {
    /// The finding for a refusal.
    pub(super) fn of(failure: &Failure) -> Self {
        let ready = if failure.passing { Ready::Unchanged } else { Ready::Stuck };
        Self { ready, reason: failure.reason, message: failure.message.clone() }
    }
}

/// All concerns of a resource, the one whose step comes first in front.
pub(super) struct Concerns(pub(super) Vec<Concern>);

impl Concerns {
    /// The first step that can be taken, and the concern that requests it.
    pub(super) fn first_step(&mut self) -> Option<(Step, Concern)> {
        let concern = self.0.iter_mut().find(|concern| concern.step.is_some())?;
        let concern = std::mem::take(concern);
        concern.step.clone().map(|step| (step, concern))
    }

    /// The most severe finding; of those that are equally severe the first.
    fn worst(&self) -> Option<&Finding> {
        let findings = self.0.iter().filter_map(|concern| concern.finding.as_ref());
        findings.reduce(|worst, other| if severity(other) > severity(worst) { other } else { worst })
    }

    /// Whether no concern requests a step.
    pub(super) fn is_idle(&self) -> bool {
        self.0.iter().all(|concern| concern.step.is_none())
    }

    /// Whether no finding prevents `Ready`.
    pub(super) fn are_fine(&self) -> bool {
        self.worst().is_none_or(|finding| finding.ready == Ready::Yes)
    }

    /// The report of all findings; `about` makes a report of a finding.
    pub(super) fn report(&self, about: impl FnOnce(Ready, &'static str, String) -> Report) -> Option<Report> {
        let worst = self.worst()?;
        let mut message = worst.message.clone();
        for other in self.0.iter().filter_map(|concern| concern.finding.as_ref()) {
            if other.ready == Ready::Stuck && other != worst {
                message = format!("{message} Also: {}", other.message);
            }
        }
        let mut report = about(worst.ready, worst.reason, message);
        report.drift = self.0.iter().filter_map(|concern| concern.drift.clone()).reduce(DriftSeen::and);
        Some(report)
    }

    /// How to rest until something happens.
    pub(super) fn final_step(&self) -> Step {
        let again = self.0.iter().filter_map(|concern| concern.again).min();
        let requeue = again.unwrap_or(RequeueClass::AwaitingSpecChange);
        match self.worst().map(|finding| finding.ready) {
            Some(Ready::Stuck) => Step::Refuse(requeue),
            Some(Ready::Progressing | Ready::Unchanged) => Step::Wait(requeue),
            Some(Ready::Yes) | None => again.map_or(Step::Done, Step::Wait),
        }
    }
}

fn severity(finding: &Finding) -> u8 {
    match finding.ready {
        Ready::Yes => 0,
        Ready::Unchanged => 1,
        Ready::Progressing => 2,
        Ready::Stuck => 3,
    }
}
