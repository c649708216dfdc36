//! The report about a resource at one moment: the material of its conditions and events.

use super::{
    desired::Desired,
    observed::{ConnectionSecret, Observed, ObservedService, Power, Remote},
    refusal::Failure,
};
use std::fmt::Write as _;
use valkeeper_api::{
    names::{self, reason},
    status::DriftedField,
    validate::Violation,
};

/// More broken rules than this are counted, not listed.
const MOST_VIOLATIONS: usize = 10;

/// A statement about the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether the resource matches its spec and its Secret is in place.
    pub ready: Ready,
    /// One of the reasons in [`names`].
    pub reason: &'static str,
    /// For people: the object, the cause, and what to do if something is to be done.
    pub message: String,
    /// The provider's name of the state; none keeps the one in the status, see [`Report::state_after`].
    pub state: Option<String>,
    /// The service exists and is ours.
    pub initialized: bool,
    /// Whether the service accepts connections; none when this read did not show it.
    pub running: Option<bool>,
    /// The resource is paused.
    pub paused: bool,
    /// The password of a migration source stands in the spec.
    pub password_exposed: bool,
    /// The report of a migration.
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

/// Declared fields that were changed externally at the provider.
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

/// The report of a migration into the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MigrationNote {
    /// The earlier report still holds.
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
    /// False, and a user has to act.
    Stuck,
    /// The read failed; the earlier state may still hold.
    Unchanged,
}

impl Report {
    /// About a resource whose service does not exist or is unknown.
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

    /// About a resource of which `what` is paused.
    pub fn paused(what: &str) -> Self {
        let message = format!("{what} is paused. To resume, remove annotation {}.", names::PAUSED);
        Self { paused: true, ..Self::new(Ready::Unchanged, reason::PAUSED, message) }
    }

    /// The same about a reconciliation that did not reach its end, for the time with this number in a row.
    #[must_use]
    pub fn of_a_failure(self, number: u32) -> Self {
        Self { failed: true, fleeting: number < 2, ..self }
    }

    /// The state to report: what this read showed, else the earlier one, unless the service is gone.
    pub fn state_after(&self, before: Option<String>) -> Option<String> {
        let gone = self.state.is_none() && self.running == Some(false);
        self.state.clone().or(before.filter(|_| !gone))
    }

    /// About a resource whose spec breaks rules.
    pub fn invalid_spec(violations: &[Violation]) -> Self {
        let mut text =
            violations.iter().take(MOST_VIOLATIONS).map(ToString::to_string).collect::<Vec<_>>().join("; ");
        if let Some(more) = violations.len().checked_sub(MOST_VIOLATIONS).filter(|more| *more > 0) {
            // A text takes everything.
            let _ = write!(text, "; and {more} more");
        }
        text.push('.');
        Self::new(Ready::Stuck, reason::INVALID_SPEC, text)
    }

    /// About a reconciliation that failed, for the time with this `number` in a row. An outage does not change the
    /// earlier state, unless the reconciliation observed that it no longer holds.
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
