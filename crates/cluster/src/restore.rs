//! A cluster whose data comes from a backup or from a running server: the first instance alone is started, gets the data and
//! is promoted; the others follow it.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::members;
use crate::names::{self, reason};
use crate::observed::{Observed, RestoreSeen, RestoreSource};
use crate::report::State;
use crate::step::{RequeueClass, Step};
use valkeeper_api::valkey_cluster::BootstrapServer;

/// Whether the data of the cluster is still to come.
pub(crate) fn is_due(desired: &Desired) -> bool {
    desired.spec.bootstrap.is_some() && desired.status.restored.is_none()
}

fn server(desired: &Desired) -> Option<&BootstrapServer> {
    desired.spec.bootstrap.as_ref()?.server.as_ref()
}

/// What the data comes from: the key of a backup, host and port of a server, or the claim of a volume that had some.
pub(crate) fn source(desired: &Desired, observed: &Observed) -> Option<String> {
    if observed.instances.get(&0).is_some_and(|first| first.restore == Some(RestoreSeen::HadData)) {
        return Some(names::claim(&desired.name, 0));
    }
    match (server(desired), &observed.restore_source) {
        (Some(server), _) => Some(server.address()),
        (None, RestoreSource::Found(key)) => Some(key.clone()),
        (None, _) => None,
    }
}

/// Whether the data is where an instance that ends does not take it along.
pub(crate) fn is_done(desired: &Desired, observed: &Observed) -> bool {
    let Some((primary, _)) = observed.primary() else { return false };
    let restored = observed.instances.get(&0).and_then(|first| first.restore.as_ref());
    let safe = desired.spec.persists()
        || desired.instances() == 1
        || observed.instances.iter().any(|(ordinal, seen)| *ordinal != primary && seen.status.synced);
    matches!(restored, Some(RestoreSeen::Done | RestoreSeen::HadData)) && safe
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
    let name = desired.instance(0);
    let restore = observed.instances.get(&0).and_then(|first| first.restore.as_ref());
    // What is under way, or done, needs nothing any more.
    let is_open = matches!(restore, None | Some(RestoreSeen::Waiting | RestoreSeen::Failed { .. }));
    if let (true, RestoreSource::Problem(message)) = (is_open, &observed.restore_source) {
        return fails(message.clone());
    }
    match restore {
        Some(RestoreSeen::Waiting) if members::has_earlier_volumes(desired, observed) => {
            fails(earlier_volumes(desired))
        }
        Some(RestoreSeen::Waiting) => Concern::act(Step::Restore(0)),
        Some(RestoreSeen::Running) => waits(format!("Fetching the data into {name}.")),
        Some(RestoreSeen::Following { cutting_over, waits_for, copies }) => {
            following(desired, (*cutting_over, *copies), waits_for.as_deref())
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
        Some(RestoreSeen::Done | RestoreSeen::HadData) | None => Concern::fine(),
    }
}

/// Their data is later than that of a backup, and another instance than the first may have it.
fn earlier_volumes(desired: &Desired) -> String {
    format!(
        "Cannot use spec.bootstrap: an earlier cluster has left volume claims of {} and others. Delete these claims, or create the \
         cluster without spec.bootstrap.",
        desired.instance(1)
    )
}

/// The first instance follows a server until the user has the cluster take over.
fn following(desired: &Desired, (cutting_over, copies): (bool, bool), waits_for: Option<&str>) -> Concern {
    let name = desired.instance(0);
    let Some(server) = server(desired) else { return Concern::fine() };
    if server.cut_over && !cutting_over {
        return Concern::act(Step::Restore(0));
    }
    let server = server.address();
    let does = match (cutting_over, copies) {
        (true, _) => "takes over from",
        (false, true) => "is to copy",
        (false, false) => "follows",
    };
    let message = match waits_for {
        Some(what) => format!("{name} {does} {server} and waits for {what}."),
        None if cutting_over => format!("{name} {does} {server}."),
        None if copies => format!(
            "{name} cannot follow {server}, whose format is later, and copies its data. Stop its clients, then set \
             spec.bootstrap.server.cutOver."
        ),
        None => format!(
            "{name} {does} {server} and has its data. Stop its clients, then set spec.bootstrap.server.cutOver."
        ),
    };
    Concern::waits(RequeueClass::Active, State::Creating, reason::IMPORTING, message)
}
