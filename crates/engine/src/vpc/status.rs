//! The status of a `ProjectVPC`. Identity and report are written by different functions, so that no report can change
//! the recorded identity.

use crate::{conditions, report::Report};
use chrono::{DateTime, Utc};
use valkeeper_api::ProjectVpcStatus;

/// What an observation showed of the identity of the VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A VPC is about to be requested.
    Requested,
    /// The request was refused, and no earlier request can take effect any more.
    Refused,
    /// The VPC has this identifier.
    Id(String),
}

/// The status with `note` in it. An identifier stays once it is noted.
#[must_use]
pub fn noted(before: ProjectVpcStatus, note: &Note) -> ProjectVpcStatus {
    let known = before.id.clone().filter(|id| !id.is_empty());
    let (id, creation_requested) = match note {
        Note::Requested => (known, true),
        Note::Refused => (known, false),
        Note::Id(id) => (known.or_else(|| Some(id.clone())), false),
    };
    let creation_requested = creation_requested && id.is_none();
    ProjectVpcStatus { id, creation_requested, ..before }
}

/// The status with `report` in it.
#[must_use]
pub fn reported(
    before: ProjectVpcStatus,
    report: &Report,
    generation: i64,
    now: DateTime<Utc>,
) -> ProjectVpcStatus {
    ProjectVpcStatus {
        conditions: conditions::next(&before.conditions, report, generation, now),
        state: report.state_after(before.state.clone()),
        observed_generation: Some(generation),
        ..before
    }
}
