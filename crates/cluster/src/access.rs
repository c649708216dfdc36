//! Which passwords servers accept, and which one clients are given.
//!
//! ```text
//!   Settled ──Offer──▶ Offered ──all servers accept both──▶ Published ──grace──▶ Settled
//!      ▲                  │                                 Publish               Retire
//!      └─────Withdraw─────┘
//! ```
//!
//! The Secret that servers read has the password that clients are given, and beside it the one that comes or the one that
//! goes. Each change of that Secret is a step, and so is the write of the connection Secret that follows.
//!
//! Guarantees: clients are given a password only after every server that they may reach has reported that it accepts it,
//! and it is accepted until the grace is over after they were given the next one. Everything is read from the cluster, so
//! that a restart at any moment changes nothing. A change that comes while another one is in its grace waits for its end.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::foundations::conflict;
use crate::names::{self, reason};
use crate::observed::{Observed, Password};
use crate::pod_seen::PodSeen;
use crate::step::{RequeueClass, Step};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use valkeeper_api::names::condition;
use valkeeper_api::valkey_cluster::{AccessStatus, RotationStatus};
use valkeeper_engine::ConnectionSecret;

/// The Secret that servers read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessSeen {
    /// Nobody looked.
    #[default]
    Unknown,
    /// There is none that can be used.
    Missing,
    /// Another owner has one of its name.
    Foreign,
    /// This.
    Present(Access),
}

/// What servers should accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What servers report that have taken it.
    pub revision: String,
    /// How far a change is.
    pub stage: Stage,
    /// How the password that is asked for compares with these.
    pub wanted: Wanted,
}

/// How far a change of the password is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There is one password.
    Settled,
    /// Clients have the earlier password; the servers are given the new one beside it.
    Offered,
    /// Clients have the new password; the servers accept the earlier one as well.
    Published,
}

/// How the password that is asked for compares with those of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It is not known.
    Unknown,
    /// It is the newest of them.
    Newest,
    /// It is the one that clients have, and another one is offered.
    Former,
    /// It is none of them.
    Other,
}

/// A change of the Secret that servers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessChange {
    /// Create or repair it, with the password that clients have.
    Create,
    /// Put the password that is asked for beside the one that clients have.
    Offer,
    /// Take it back.
    Withdraw,
    /// Clients get the new password; the earlier one stays beside it.
    Publish,
    /// Remove the earlier one.
    Retire,
}

/// What is to be done for them.
pub(crate) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    match &observed.access {
        AccessSeen::Foreign => conflict(desired, "Secret", &names::access(&desired.name)),
        AccessSeen::Missing if observed.password == Password::Present => {
            Concern::act(Step::WriteAccess(AccessChange::Create, String::new()))
        }
        AccessSeen::Missing | AccessSeen::Unknown => Concern::fine(),
        AccessSeen::Present(access) => rotation(desired, observed, access),
    }
}

fn rotation(desired: &Desired, observed: &Observed, access: &Access) -> Concern {
    let change = match (access.stage, access.wanted) {
        (Stage::Settled | Stage::Offered, Wanted::Other) => AccessChange::Offer,
        (Stage::Offered, Wanted::Former) => AccessChange::Withdraw,
        (Stage::Settled, _) if observed.password_is_due => return Concern::act(Step::RotatePassword),
        (Stage::Settled, _) => return Concern::fine(),
        (Stage::Offered, _) if behind(observed, &access.revision).is_none() => AccessChange::Publish,
        (Stage::Published, _) if is_over(desired, observed, access) => AccessChange::Retire,
        (stage, _) => {
            let again = if stage == Stage::Offered { RequeueClass::Active } else { RequeueClass::Steady };
            return Concern { again: Some(again), ..Concern::fine() };
        }
    };
    Concern::act(Step::WriteAccess(change, access.revision.clone()))
}

/// A server that clients may reach, now or when it starts, and that has not taken this revision.
fn behind(observed: &Observed, revision: &str) -> Option<u32> {
    let has_taken =
        |ordinal: u32| observed.instances.get(&ordinal).is_some_and(|instance| instance.access == revision);
    observed
        .pods
        .iter()
        .filter(|(_, pod)| may_serve(pod))
        .map(|(ordinal, _)| *ordinal)
        .find(|ordinal| !has_taken(*ordinal))
}

/// Whether a pod runs a server, or may start one with files from before. Without a node it has no files.
pub fn may_serve(pod: &PodSeen) -> bool {
    let has_ended = pod.finished || pod.ended && pod.deleting;
    !has_ended && !pod.foreign && !pod.problem.as_ref().is_some_and(|problem| problem.unscheduled)
}

/// Whether the earlier password has been accepted for long enough.
fn is_over(desired: &Desired, observed: &Observed, access: &Access) -> bool {
    let until = published(desired, access).and_then(|at| at.checked_add_signed(desired.password_grace()));
    clients_have_it(desired, observed) && until.is_some_and(|until| observed.now >= until)
}

/// When clients were given the newest of these passwords.
fn published(desired: &Desired, access: &Access) -> Option<DateTime<Utc>> {
    let noted = desired.status.access.as_ref().filter(|noted| noted.revision == access.revision)?;
    noted.rotation.as_ref()?.published_at
}

/// Whether the connection Secret has the password that clients are to have.
fn clients_have_it(desired: &Desired, observed: &Observed) -> bool {
    desired.target.is_none() || matches!(observed.secret, ConnectionSecret::Ours { current: true, .. })
}

/// What the status says after this look. It holds no password.
pub(crate) fn status(desired: &Desired, observed: &Observed, now: DateTime<Utc>) -> Option<AccessStatus> {
    let before = desired.status.access.clone();
    let AccessSeen::Present(access) = &observed.access else { return before };
    let now = now.trunc_subsecs(0);
    let noted = before.as_ref().and_then(|before| before.rotation.clone());
    let rotated_at = before.and_then(|before| before.rotated_at);
    let mut next = AccessStatus { revision: access.revision.clone(), rotated_at, rotation: None };
    if access.stage == Stage::Settled {
        return Some(next);
    }
    let mut rotation = noted.unwrap_or(RotationStatus { started_at: now, published_at: None });
    rotation.published_at = published(desired, access);
    if access.stage == Stage::Published
        && rotation.published_at.is_none()
        && clients_have_it(desired, observed)
    {
        // A grace period is never shorter for it.
        rotation.published_at = now.checked_add_signed(TimeDelta::seconds(1));
    }
    next.rotated_at = rotation.published_at.or(next.rotated_at);
    next.rotation = Some(rotation);
    Some(next)
}

/// What a condition says while a password is changed.
pub(crate) fn statement(
    desired: &Desired,
    observed: &Observed,
) -> Option<(&'static str, &'static str, &'static str, String)> {
    let AccessSeen::Present(access) = &observed.access else { return None };
    let (why, mut message) = match access.stage {
        Stage::Settled => return None,
        Stage::Offered => (reason::PASSWORD_OFFERED, offered(desired, observed, &access.revision)),
        Stage::Published => (reason::PASSWORD_PUBLISHED, accepted(desired, access)),
    };
    if access.stage == Stage::Published && (access.wanted == Wanted::Other || observed.password_is_due) {
        message.push_str(" The next change of the password begins then.");
    }
    Some((condition::PASSWORD_ROTATING, "True", why, message))
}

fn offered(desired: &Desired, observed: &Observed, revision: &str) -> String {
    match behind(observed, revision) {
        Some(ordinal) => format!(
            "Waiting for {} to accept the new password. Until all servers do, clients keep the present one.",
            desired.instance(ordinal)
        ),
        None => "All servers accept the new password.".to_owned(),
    }
}

fn accepted(desired: &Desired, access: &Access) -> String {
    let until = published(desired, access).and_then(|at| at.checked_add_signed(desired.password_grace()));
    let until =
        until.map_or_else(String::new, |until| format!(" until {}", until.format("%Y-%m-%d %H:%M:%S UTC")));
    format!("The connection Secret has the new password. Servers accept the earlier one as well{until}.")
}
