//! What is said about data that is to arrive from another server: a condition of its own, because a
//! service is ready long before a large migration is complete.

use super::{
    desired::Desired,
    observed::{MigrationState, Observed},
    report::MigrationNote,
    step::Step,
};
use crate::api::names::reason;

/// The key of a migration in the settings.
const MIGRATION: &str = "migration";

/// The note that belongs to a decision.
pub(super) fn note(desired: &Desired, observed: &Observed, step: &Step) -> MigrationNote {
    let now = |complete, reason, message: String| MigrationNote::Now { complete, reason, message };
    if !is_declared(desired) {
        return MigrationNote::None;
    }
    if matches!(step, Step::Update(patch) if patch.user_config.contains_key(MIGRATION)) {
        return now(false, reason::MIGRATING, "The migration is being started".to_owned());
    }
    match &observed.migration {
        None => MigrationNote::Unchanged,
        Some(MigrationState::Running(stage)) => {
            now(false, reason::MIGRATING, format!("Data is on its way; the provider says {stage}"))
        }
        Some(MigrationState::Done) => {
            let message = "All data has arrived; userConfig.migration can be removed".to_owned();
            now(true, reason::MIGRATED, message)
        }
        Some(MigrationState::Failed(why)) => now(
            false,
            reason::MIGRATION_FAILED,
            format!("The provider gave up: {why}. Correct userConfig.migration"),
        ),
    }
}

/// Whether the spec declares a migration.
pub(super) fn is_declared(desired: &Desired) -> bool {
    desired.user_config.get(MIGRATION).is_some_and(|migration| !migration.is_null())
}

/// Whether a migration is under way, so that somebody should look again soon.
pub(super) fn is_under_way(observed: &Observed) -> bool {
    matches!(observed.migration, Some(MigrationState::Running(_)))
}
