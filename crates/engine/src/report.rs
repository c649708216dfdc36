//! What may be said about a resource at some moment: the material of its conditions and events.

use super::{
    desired::Desired,
    observed::{ConnectionSecret, Observed, ObservedService, Power, Remote},
    refusal::Failure,
};
use std::fmt::Write as _;
use valkeeper_api::{names::reason, status::DriftedField, validate::Violation};

/// More broken rules than this are counted, not told.
const MOST_VIOLATIONS: usize = 10;

/// A statement about the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether the resource is as its spec says and its Secret is in place.
    pub ready: Ready,
    /// One of the reasons in [`names`].
    pub reason: &'static str,
    /// For people: the object, the cause, and what to do if something is to be done.
    pub message: String,
    /// The provider's word for the state; none leaves what the status says, see [`Report::state_after`].
    pub state: Option<String>,
    /// The service exists and is ours.
    pub initialized: bool,
    /// Whether the service takes connections; none when this look did not tell.
    pub running: Option<bool>,
    /// The resource is paused.
    pub paused: bool,
    /// The password of a migration source stands in the spec.
    pub password_exposed: bool,
    /// What is to be said of a migration.
    pub migration: MigrationNote,
    /// Declared fields that were found changed.
    pub drift: Option<DriftSeen>,
    /// The declared fields were compared with those of the service.
    pub compared: bool,
    /// The reconciliation did not reach its end.
    pub failed: bool,
    /// It is the first failure in a row, which the next attempt may well overcome.
    pub fleeting: bool,
}

/// Declared fields that somebody changed at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftSeen {
    /// They are being changed back.
    pub corrected: bool,
    /// The fields.
    pub fields: Vec<DriftedField>,
}

impl DriftSeen {
    /// Both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.corrected &= other.corrected;
        let new = other.fields.into_iter().filter(|field| !self.fields.contains(field)).collect::<Vec<_>>();
        self.fields.extend(new);
        self
    }
}

/// What is to be said of a migration into the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MigrationNote {
    /// What was said before still holds.
    #[default]
    Unchanged,
    /// There is none.
    None,
    /// This.
    Now {
        /// All data has arrived.
        complete: bool,
        /// One of the reasons in [`reason`](valkeeper_api::names::reason).
        reason: &'static str,
        /// For people.
        message: String,
    },
}

/// The value of the `Ready` condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// True.
    Yes,
    /// False, in the normal course of things.
    Progressing,
    /// False, and somebody has to do something.
    Stuck,
    /// The look failed; what was true before may well still be.
    Unchanged,
}

impl Report {
    /// About a resource whose service does not exist, or of which nothing is known.
    pub fn new(ready: Ready, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            ready,
            reason,
            message: message.into(),
            state: None,
            initialized: false,
            running: None,
            paused: false,
            password_exposed: false,
            migration: MigrationNote::Unchanged,
            drift: None,
            compared: false,
            failed: false,
            fleeting: false,
        }
    }

    /// About a resource whose service was seen.
    pub fn about(
        service: &ObservedService,
        ready: Ready,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            state: Some(service.state.as_str().to_owned()),
            initialized: true,
            running: Some(service.state.power() == Power::Serving),
            compared: true,
            ..Self::new(ready, reason, message)
        }
    }

    /// The same about a reconciliation that did not reach its end, for the time with this number in a row.
    #[must_use]
    pub fn of_a_failure(self, number: u32) -> Self {
        Self { failed: true, fleeting: number < 2, ..self }
    }

    /// The state to tell: what this look showed, else the one from before, unless there is nothing any more.
    pub fn state_after(&self, before: Option<String>) -> Option<String> {
        let gone = self.state.is_none() && self.running == Some(false);
        self.state.clone().or(before.filter(|_| !gone))
    }

    /// About a resource whose spec breaks rules.
    pub fn invalid_spec(violations: &[Violation]) -> Self {
        let mut told =
            violations.iter().take(MOST_VIOLATIONS).map(ToString::to_string).collect::<Vec<_>>().join("; ");
        if let Some(more) = violations.len().checked_sub(MOST_VIOLATIONS).filter(|more| *more > 0) {
            // A text takes everything.
            let _ = write!(told, "; and {more} more");
        }
        told.push('.');
        Self::new(Ready::Stuck, reason::INVALID_SPEC, told)
    }

    /// About a reconciliation that failed, for the time with this `number` in a row. An outage does not take back
    /// what was true before, unless the reconciliation got far enough to learn that it is not true any more.
    pub fn failed(failure: &Failure, desired: &Desired, observed: &Observed, number: u32) -> Self {
        if !desired.violations.is_empty() && !desired.deleting {
            // That has to be corrected first, and stays true whatever else happens.
            return Self::invalid_spec(&desired.violations);
        }
        let ready = match (failure.passing, may_still_be_ready(desired, observed)) {
            (false, _) => Ready::Stuck,
            (true, true) => Ready::Unchanged,
            (true, false) => Ready::Progressing,
        };
        let mut report = Self::new(ready, failure.reason, failure.message.clone()).of_a_failure(number);
        if let (Ready::Progressing, Remote::Present(service)) = (ready, &observed.remote) {
            report.state = Some(service.state.as_str().to_owned());
            report.running = Some(service.state.power() == Power::Serving);
        }
        report
    }
}

/// Whether nothing that was seen contradicts a `Ready` from before.
fn may_still_be_ready(desired: &Desired, observed: &Observed) -> bool {
    let power = match &observed.remote {
        Remote::Unknown => return !desired.deleting,
        Remote::Absent => return !observed.absence_is_certain && !desired.deleting,
        Remote::Present(service) => service.state.power(),
    };
    let secret = match observed.secret {
        ConnectionSecret::Unknown | ConnectionSecret::Ours { current: true, .. } => true,
        ConnectionSecret::Absent
        | ConnectionSecret::Exists
        | ConnectionSecret::Foreign { .. }
        | ConnectionSecret::Ours { .. } => false,
    };
    let as_asked = match power {
        Power::Serving => desired.powered && secret,
        Power::Off => !desired.powered,
        Power::Changing => false,
    };
    as_asked && !observed.unsettled && !desired.deleting
}
