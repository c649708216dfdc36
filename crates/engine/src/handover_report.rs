//! Reports of a takeover where there is nothing to do: the `Redis` that was taken over, and a `Valkey` without a service
//! to take over.

use super::{concern::Concern, desired::Desired, step::RequeueClass};
use valkeeper_api::names::reason;

/// The report of a `Redis` that was taken over.
pub(super) fn migrated(desired: &Desired) -> Concern {
    let name = &desired.name;
    let message = format!(
        "Valkey {name} has taken over service {name} and its Secret. This Redis does nothing anymore. Delete it when convenient; that deletes nothing else."
    );
    Concern::holds(reason::MIGRATED, message)
}

/// Where there is no service, a takeover creates none: an empty one would appear as success.
pub(super) fn nothing_to_take_over(desired: &Desired) -> Concern {
    let message = format!(
        "Cannot take over Redis {name}: project {project} has no service {name}. Correct metadata.name or spec.project, or recreate this Valkey without spec.migrateFrom.",
        name = desired.name,
        project = desired.project
    );
    Concern::is_stuck(reason::MIGRATION_BLOCKED, message, RequeueClass::AwaitingExternal)
}
