//! Data migration from another server. A migration is identified by its source and method, and the status records its
//! phase. A complete migration is never sent again while it is declared, and another one starts from the beginning.
//!
//! ```text
//!   declared ──written down──▶ Started ──sent, and shown──▶ Running ──▶ Complete: not sent, not compared
//!                                 ▲                            └─────▶ Failed
//!                                 └── another source or method, or sent again ──┘
//! ```

use super::{
    concern::Concern,
    declared,
    desired::Desired,
    normal::{self, MIGRATION},
    observed::{MigrationState, Observed, ObservedService, Power, Remote},
    report::MigrationNote,
    request::Target,
    step::{RequeueClass, Step},
};
use serde_json::{Map, Value};
use valkeeper_api::{
    names::reason,
    status::{Migration, MigrationPhase},
};

/// What makes a migration another one. User, password and encryption are only the way to the same data.
const IDENTITY: [&str; 6] = ["host", "port", "method", "dbname", "ignore_dbs", "ignore_roles"];

/// The migration that `desired` declares, in the form of the status.
pub(super) fn identity(desired: &Desired) -> Option<String> {
    let members = desired.user_config.get(MIGRATION)?.as_object()?;
    let identity: Map<_, _> = IDENTITY
        .iter()
        .filter_map(|key| {
            Some(((*key).to_owned(), members.get(*key).filter(|value| !value.is_null())?.clone()))
        })
        .collect();
    Some(declared::hash(&normal::setting(MIGRATION, &Value::Object(identity))))
}

/// Phase of the declared migration in the status.
fn phase(desired: &Desired) -> Option<MigrationPhase> {
    let known = desired.migration.as_ref()?;
    let is_the_same = known.source.is_empty() || Some(&known.source) == identity(desired).as_ref();
    is_the_same.then_some(known.phase)
}

/// Whether the declared migration is complete, so that nothing is sent for it any more.
pub(super) fn is_complete(desired: &Desired) -> bool {
    phase(desired) == Some(MigrationPhase::Complete)
}

/// Whether the spec declares a migration.
fn is_declared(desired: &Desired) -> bool {
    desired.user_config.get(MIGRATION).is_some_and(|migration| !migration.is_null())
}

/// The password of the server to migrate from, where a Secret holds it and it is about to be sent.
pub(super) fn password(desired: &Desired, observed: &Observed, service: Option<&ObservedService>) -> Concern {
    if !lacks_password(desired, observed) || service.is_some_and(|service| shows(desired, service)) {
        return Concern::fine();
    }
    let message = "Reading the password of the server to migrate from.";
    Concern::act(Step::Observe(Target::MigrationPassword), reason::UPDATING, message)
}

/// Whether the password has to be read before the migration can be sent.
pub(super) fn lacks_password(desired: &Desired, observed: &Observed) -> bool {
    let of_use = desired.migration_password_in_secret && is_declared(desired) && !is_complete(desired);
    of_use && !observed.migration_password_is_known
}

fn shows(desired: &Desired, service: &ObservedService) -> bool {
    let current = service.user_config.get(MIGRATION).unwrap_or(&Value::Null);
    desired.user_config.get(MIGRATION).is_some_and(|wanted| normal::same(MIGRATION, wanted, current))
}

/// How far the data has come, until it has arrived.
pub(super) fn progress(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concern {
    if !is_followed(desired, service) {
        return Concern::fine();
    }
    match state(desired, observed) {
        None => {
            let message = format!("Reading the progress of the migration into service {}.", desired.name);
            Concern::act(Step::Observe(Target::Migration), reason::MIGRATING, message)
        }
        Some(MigrationState::Running(_)) => {
            Concern { again: Some(RequeueClass::AwaitingExternal), ..Concern::fine() }
        }
        Some(MigrationState::Done | MigrationState::Failed(_) | MigrationState::Forgotten) => Concern::fine(),
    }
}

/// Whether the provider has the declared migration, and it is not complete.
fn is_followed(desired: &Desired, service: &ObservedService) -> bool {
    is_declared(desired)
        && shows(desired, service)
        && !is_complete(desired)
        && !desired.deleting
        && service.state.power() == Power::Serving
}

/// Current state of the migration; none before the provider was asked.
fn state(desired: &Desired, observed: &Observed) -> Option<MigrationState> {
    match (phase(desired), observed.migration.clone()) {
        // The provider drops a migration that has ended.
        (Some(MigrationPhase::Running), Some(MigrationState::Forgotten)) => Some(MigrationState::Done),
        (_, Some(state)) => Some(state),
        (Some(MigrationPhase::Running | MigrationPhase::Failed), None) => None,
        // Right after the request, the provider may not show it yet, which resembles its end.
        (_, None) => Some(MigrationState::Running("starting".to_owned())),
    }
}

/// Whether a step begins the declared migration.
fn is_begun_by(step: &Step) -> bool {
    match step {
        Step::Create(request) => request.user_config.get(MIGRATION).is_some_and(|value| !value.is_null()),
        Step::Update(patch) => patch.user_config.get(MIGRATION).is_some_and(|value| !value.is_null()),
        _ => false,
    }
}

/// The record to write before `step`: that the migration begins. Without it, an earlier result could count as the end
/// of this migration.
pub(super) fn before(step: &Step, desired: &Desired) -> Option<Migration> {
    let begins = is_begun_by(step) && phase(desired) != Some(MigrationPhase::Started);
    begins
        .then(|| Migration { source: identity(desired).unwrap_or_default(), phase: MigrationPhase::Started })
}

/// The record of the migration after an observation.
pub fn remembered(desired: &Desired, observed: &Observed) -> Option<Migration> {
    let source = identity(desired)?;
    let known = phase(desired);
    let followed = matches!(&observed.remote, Remote::Present(service) if is_followed(desired, service));
    let seen = followed.then(|| state(desired, observed)).flatten();
    let phase = match seen {
        Some(MigrationState::Running(_)) => MigrationPhase::Running,
        Some(MigrationState::Done) => MigrationPhase::Complete,
        Some(MigrationState::Failed(_)) => MigrationPhase::Failed,
        Some(MigrationState::Forgotten) | None => known?,
    };
    Some(Migration { source, phase })
}

/// The note that belongs to a decision.
pub(super) fn note(desired: &Desired, observed: &Observed, step: &Step) -> MigrationNote {
    let now = |complete, reason, message: String| MigrationNote::Now { complete, reason, message };
    if !is_declared(desired) {
        return MigrationNote::None;
    }
    if is_begun_by(step) || matches!(step, Step::Record { migration: Some(_), .. }) {
        return now(false, reason::MIGRATING, "Starting the migration.".to_owned());
    }
    let followed = matches!(&observed.remote, Remote::Present(service) if is_followed(desired, service));
    match state(desired, observed).filter(|_| followed) {
        // A failure that the provider drops is not an end.
        None | Some(MigrationState::Forgotten) => MigrationNote::Unchanged,
        Some(MigrationState::Running(stage)) => {
            now(false, reason::MIGRATING, format!("Copying data (stage {stage})."))
        }
        Some(MigrationState::Done) => {
            let message = "All data is copied. You can remove userConfig.migration.".to_owned();
            now(true, reason::MIGRATED, message)
        }
        Some(MigrationState::Failed(why)) => now(
            false,
            reason::MIGRATION_FAILED,
            format!(
                "Aiven ended the migration: {why}. Remove userConfig.migration, correct the cause, and declare it again."
            ),
        ),
    }
}
