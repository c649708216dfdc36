//! What a step is to users: the events that tell a failover, and what was created and deleted.

use crate::access::AccessChange;
use crate::desired::Desired;
use crate::final_backup;
use crate::names::{self, reason};
use crate::resize::ResizeStep;
use crate::step::Step;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether somebody should look.
    pub warning: bool,
    /// One of the reasons in [`names::reason`](crate::names::reason).
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// The event of a step that was taken; none for what is not worth one.
pub fn of(desired: &Desired, step: &Step) -> Option<Event> {
    let event = |reason, message: String| Some(Event { warning: false, reason, message });
    match step {
        Step::CreatePod(ordinal) => {
            event(reason::POD_CREATED, format!("Created pod {}.", desired.instance(*ordinal)))
        }
        Step::DeletePod(ordinal, _) => {
            event(reason::POD_DELETED, format!("Deleted pod {}.", desired.instance(*ordinal)))
        }
        Step::ResizePod(ordinal, _, ResizeStep::Finish) => {
            event(reason::POD_RESIZED, format!("Resized pod {}.", desired.instance(*ordinal)))
        }
        Step::RotatePassword => event(
            reason::PASSWORD_GENERATED,
            format!("Generated another password, as annotation {} asks.", names::ROTATE_PASSWORD),
        ),
        Step::WriteAccess(change, _) => {
            let (reason, message) = access(*change)?;
            event(reason, message.to_owned())
        }
        Step::CreateFinalBackup => {
            let backup = final_backup::name(&desired.name, &desired.uid);
            event(
                reason::FINAL_BACKUP,
                format!("Created ValkeyBackup {backup}, which the deletion waits for."),
            )
        }
        Step::GrowClaim(ordinal) => {
            let (claim, size) =
                (names::claim(&desired.name, *ordinal), desired.volume_size().unwrap_or_default());
            event(reason::VOLUME_GROWING, format!("Asked for {size} in volume claim {claim}."))
        }
        Step::DeleteClaim(ordinal) => {
            let claim = names::claim(&desired.name, *ordinal);
            event(reason::CLAIM_DELETED, format!("Deleted volume claim {claim}."))
        }
        Step::Hold(name, term) if desired.status.current_primary.as_deref() == Some(name.as_str()) => {
            event(reason::HELD, format!("Asked {name} to stop for term {}.", term.0))
        }
        Step::Promote(name, term, _, cause) => {
            let from = cause.from.as_ref().map(|from| format!(" after {from}")).unwrap_or_default();
            let how = match (&cause.from, cause.confirmed) {
                (None, _) => "",
                (_, true) => ", which is known to have stopped",
                (_, false) => ", whose term has elapsed",
            };
            let message = format!("Asked {name} to become primary in term {}{from}{how}.", term.0);
            Some(Event { warning: !cause.planned, reason: reason::PROMOTED, message })
        }
        Step::Label(ordinal, _, role) if *role == names::PRIMARY => {
            let (service, name) = (names::leader(&desired.name), desired.instance(*ordinal));
            event(reason::ROUTED, format!("Service {service} leads to {name}."))
        }
        _ => None,
    }
}

fn access(change: AccessChange) -> Option<(&'static str, &'static str)> {
    match change {
        AccessChange::Create => None,
        AccessChange::Offer => {
            Some((reason::PASSWORD_OFFERED, "Giving the servers a new password beside the present one."))
        }
        AccessChange::Withdraw => Some((
            reason::PASSWORD_WITHDRAWN,
            "The password does not change: the present one is asked for again.",
        )),
        AccessChange::Publish => Some((
            reason::PASSWORD_PUBLISHED,
            "All servers accept the new password; the connection Secret gets it.",
        )),
        AccessChange::Retire => Some((
            reason::PASSWORD_RETIRED,
            "The grace period is over; servers stop accepting the earlier password.",
        )),
    }
}
