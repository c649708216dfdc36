//! A cluster whose data comes from a backup or from a running server: the first instance alone is started, gets the data and
//! is promoted; the others follow it.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::names::reason;
use crate::observed::{Observed, RestoreSeen, RestoreSource};
use crate::report::State;
use crate::step::{RequeueClass, Step};

/// Whether the data of the cluster is still to come.
pub(crate) fn is_due(desired: &Desired) -> bool {
    desired.spec.bootstrap.is_some() && desired.status.restored.is_none()
}

/// Whether the data is where an instance that ends does not take it along.
pub(crate) fn is_done(desired: &Desired, observed: &Observed) -> bool {
    let Some((primary, _)) = observed.primary() else { return false };
    let restored = observed.instances.get(&0).and_then(|first| first.restore.as_ref());
    let safe = desired.spec.persists()
        || desired.instances() == 1
        || observed.instances.iter().any(|(ordinal, seen)| *ordinal != primary && seen.status.synced);
    restored == Some(&RestoreSeen::Done) && safe
}

/// What is to be done so that the first instance has the data.
pub(crate) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    if !is_due(desired) {
        return Concern::fine();
    }
    let waits =
        |message: String| Concern::waits(RequeueClass::Active, State::Creating, reason::RESTORING, message);
    let fails = |message: String| {
        Concern::is_stuck(RequeueClass::Active, State::Creating, reason::RESTORE_FAILED, message)
    };
    if let RestoreSource::Problem(message) = &observed.restore_source {
        return fails(message.clone());
    }
    let name = desired.instance(0);
    let Some(first) = observed.instances.get(&0) else { return Concern::fine() };
    match &first.restore {
        Some(RestoreSeen::Waiting) => Concern::act(Step::Restore(0)),
        Some(RestoreSeen::Running) => waits(format!("Fetching the data into {name}.")),
        Some(RestoreSeen::Following { cutting_over, waits_for }) => {
            following(desired, &observed.restore_source, *cutting_over, waits_for.as_deref())
        }
        Some(RestoreSeen::Failed { passing, message }) => {
            let advice = if *passing {
                "The operator retries automatically."
            } else {
                "Delete the cluster and create it with another spec.bootstrap."
            };
            let message = format!("Cannot restore {name}: {}. {advice}", message.trim_end_matches('.'));
            if *passing && !observed.restore_backs_off {
                return Concern::act(Step::Restore(0)).saying(State::Creating, reason::RESTORING, message);
            }
            fails(message)
        }
        Some(RestoreSeen::Done) | None => Concern::fine(),
    }
}

/// The first instance follows a server until the user has the cluster take over.
fn following(
    desired: &Desired,
    source: &RestoreSource,
    cutting_over: bool,
    waits_for: Option<&str>,
) -> Concern {
    let name = desired.instance(0);
    let RestoreSource::Found(server) = source else { return Concern::fine() };
    let is_wanted = desired.spec.bootstrap.as_ref().and_then(|bootstrap| bootstrap.server.as_ref());
    if is_wanted.is_some_and(|server| server.cut_over) && !cutting_over {
        return Concern::act(Step::Restore(0));
    }
    let does = if cutting_over { "takes over from" } else { "follows" };
    let message = match waits_for {
        Some(what) => format!("{name} {does} {server} and waits for {what}."),
        None if cutting_over => format!("{name} {does} {server}."),
        None => format!(
            "{name} {does} {server} and has its data. Stop its clients, then set spec.bootstrap.server.cutOver."
        ),
    };
    Concern::waits(RequeueClass::Active, State::Creating, reason::IMPORTING, message)
}
