//! The status of a `ServiceUser`. Identity and report are written by different functions, so that no report can change
//! the recorded identity.

use super::{access, desired::DesiredServiceUser, observed::SeenServiceUser};
use crate::{conditions, report::Report};
use chrono::{DateTime, Utc};
use valkeeper_api::{ServiceUserStatus, service_user::AccessControlRecord};

/// What became known of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A user is about to be requested.
    Requested,
    /// The request was refused, and no earlier request can take effect any more.
    Refused,
    /// The user exists and is this resource's own.
    Created,
    /// This access control was sent, and answered.
    Access(AccessControlRecord),
}

/// The status with `note` in it.
#[must_use]
pub fn noted(before: ServiceUserStatus, note: &Note) -> ServiceUserStatus {
    match note {
        Note::Requested => ServiceUserStatus { creation_requested: true, ..before },
        Note::Refused => ServiceUserStatus { creation_requested: false, ..before },
        Note::Created => ServiceUserStatus { creation_requested: false, created: true, ..before },
        Note::Access(record) => ServiceUserStatus { access_control: Some(record.clone()), ..before },
    }
}

/// The status with `report` in it.
#[must_use]
pub fn reported(
    before: ServiceUserStatus,
    report: &Report,
    desired: &DesiredServiceUser,
    seen: Option<&SeenServiceUser>,
    now: DateTime<Utc>,
) -> ServiceUserStatus {
    let user_type = seen.and_then(|seen| seen.user_type.clone());
    let found =
        desired.access.as_ref().zip(seen).and_then(|(declared, seen)| {
            access::found(declared, &seen.access, before.access_control.as_ref())
        });
    ServiceUserStatus {
        conditions: conditions::next(&before.conditions, report, desired.generation, now),
        username: Some(desired.username.clone()),
        user_type: user_type.or_else(|| before.user_type.clone()),
        observed_generation: Some(desired.generation),
        access_control: found.or_else(|| before.access_control.clone()),
        ..before
    }
}
