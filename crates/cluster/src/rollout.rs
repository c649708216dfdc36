//! Pods that are made of something else than declared are replaced: one at a time, replicas first and the highest
//! first, each only while all others are in sync; the primary last, after a switchover.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::durability;
use crate::names::reason;
use crate::observed::{InstanceSeen, Observed, RestoreSeen};
use crate::pod::revision;
use crate::pod_seen::PodSeen;
use crate::report::State;
use crate::resize;
use crate::serving;
use crate::settings;
use crate::step::{RequeueClass, Step};
use crate::update_window::{self, UpdateTime};
use crate::volumes;
use chrono::{DateTime, Utc};
use valkeeper_engine::Ready;
use valkeeper_failover::protocol::Role;

/// The revision of the settings that instances should have in force.
pub(crate) fn settings_revision(desired: &Desired, observed: &Observed) -> String {
    settings::settings(desired, observed).0
}

/// Whether a server has to be started again for its settings.
fn needs_restart(instance: Option<&InstanceSeen>, settings: &str) -> bool {
    instance.is_some_and(|instance| !instance.need_restart.is_empty() && settings == instance.settings)
}

fn outdated(desired: &Desired, observed: &Observed) -> Vec<u32> {
    // Without its certificate, no successor of a pod would start.
    if !serving::is_there(desired, observed) {
        return Vec::new();
    }
    let (wanted, settings) = (revision(desired), settings_revision(desired, observed));
    let is_outdated = |(ordinal, pod): &(&u32, &PodSeen)| {
        let is_other = pod.revision != wanted && !resize::is_possible(desired, pod, observed.now);
        is_other
            || needs_restart(observed.instances.get(*ordinal), &settings)
            || volumes::waits_for_another_pod(desired, observed, **ordinal, pod)
    };
    let pods = observed.pods.iter().filter(|(ordinal, _)| **ordinal < desired.instances());
    pods.filter(is_outdated).map(|(ordinal, _)| *ordinal).collect()
}

/// Whether a server does not work, as its manager and the kubelet say.
fn is_broken(observed: &Observed, ordinal: u32) -> bool {
    let runs = observed.instances.get(&ordinal).is_some_and(|instance| instance.host.is_some());
    !runs && observed.pods.get(&ordinal).is_some_and(|pod| !pod.ready)
}

/// Whether all instances but this one are there and in sync. One that does not work waits for no other such.
fn others_are_in_sync(desired: &Desired, observed: &Observed, but: u32) -> bool {
    let Some((primary, _)) = observed.primary() else { return false };
    let excused = |ordinal: u32| ordinal == but || is_broken(observed, but) && is_broken(observed, ordinal);
    (0..desired.instances()).filter(|ordinal| !excused(*ordinal)).all(|ordinal| {
        let calm = observed.pods.get(&ordinal).is_some_and(|pod| !pod.deleting);
        let seen = observed.instances.get(&ordinal);
        calm && (ordinal == primary || seen.is_some_and(|instance| instance.status.synced))
    })
}

pub(crate) fn is_approved(desired: &Desired) -> bool {
    !desired.asks_for_approval() || desired.approved.as_deref() == Some(revision(desired).as_str())
}

/// The primary, if everything but it is replaced and it may be.
pub(crate) fn primary_to_replace(desired: &Desired, observed: &Observed) -> Option<u32> {
    if durability::needs_every_replica(observed) {
        return None;
    }
    let (primary, _) = observed.primary()?;
    let due = outdated(desired, observed) == [primary]
        && desired.instances() > 1
        && others_are_in_sync(desired, observed, primary)
        && update_time(desired, observed, primary) == UpdateTime::Now
        && is_approved(desired);
    due.then_some(primary)
}

/// The next pod to replace.
pub(crate) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    if durability::needs_every_replica(observed) {
        return Concern::fine();
    }
    let outdated = outdated(desired, observed);
    // What has never run has nothing to lose.
    let unstarted = outdated.iter().find(|ordinal| {
        observed.pods.get(ordinal).is_some_and(|pod| pod.unstarted && !pod.deleting && !pod.foreign)
    });
    if let Some(ordinal) = unstarted {
        return delete(observed, *ordinal);
    }
    let updating =
        |message: String| Concern::waits(RequeueClass::Active, State::Updating, reason::UPDATING, message);
    let going = observed.pods.iter().find(|(ordinal, pod)| pod.deleting && **ordinal < desired.instances());
    if let Some((ordinal, _)) = going.filter(|_| !outdated.is_empty()) {
        return updating(format!("Waiting for {} to end.", desired.instance(*ordinal)));
    }
    let Some((primary, _)) = observed.primary() else { return without_primary(observed, &outdated) };
    // One that does not work costs nobody anything, and the others wait for it.
    let is_replica = |ordinal: &&u32| **ordinal != primary;
    let broken = outdated.iter().rev().filter(is_replica).find(|next| is_broken(observed, **next));
    let working = || outdated.iter().rev().find(is_replica).or(outdated.first());
    let Some(next) = broken.or_else(working) else { return Concern::fine() };
    let waits_for_approval = *next == primary && !is_approved(desired);
    if let UpdateTime::From(begin) = update_time(desired, observed, *next)
        && broken.is_none()
        && !waits_for_approval
    {
        return waits_for_window(desired, begin);
    }
    let name = desired.instance(*next);
    if !others_are_in_sync(desired, observed, *next) {
        return updating(format!("Waiting until all others are in sync before {name} is replaced."));
    }
    if *next != primary {
        if let Some(wait) = durability::waits_for(desired, observed, *next) {
            return updating(wait);
        }
        return delete(observed, *next).saying(
            State::Updating,
            reason::UPDATING,
            format!("Replacing {name}."),
        );
    }
    if waits_for_approval {
        return waits_for_a_user(desired, &name);
    }
    if desired.instances() == 1 {
        return delete(observed, *next).saying(
            State::Updating,
            reason::UPDATING,
            format!("Replacing {name}."),
        );
    }
    updating(format!("Moving the primary away from {name}, which is replaced."))
}

fn waits_for_a_user(desired: &Desired, primary: &str) -> Concern {
    let message = format!(
        "All servers but primary {primary} are replaced. Set annotation {}: \"{}\" to replace it.",
        crate::names::APPROVE_UPDATE,
        revision(desired),
    );
    Concern::finds(Ready::Yes, RequeueClass::Steady, State::Running, reason::APPROVAL_NEEDED, message)
}

/// When a server may be replaced that works.
fn update_time(desired: &Desired, observed: &Observed, ordinal: u32) -> UpdateTime {
    let wanted = revision(desired);
    let is_other = observed.pods.get(&ordinal).is_some_and(|pod| pod.revision != wanted);
    update_window::for_pods(desired, is_other, observed.now)
}

/// A server that ends again and again, or does not run in its pod, may be what keeps a primary from being elected.
fn without_primary(observed: &Observed, outdated: &[u32]) -> Concern {
    let fails = |ordinal: &&u32| {
        let has_no_server = observed.instances.get(*ordinal).is_some_and(has_no_server);
        observed.pods.get(*ordinal).is_some_and(|pod| {
            !pod.deleting && (pod.ended && pod.problem.is_some() || has_no_server && !pod.ready)
        })
    };
    outdated.iter().rev().find(fails).map_or_else(Concern::fine, |ordinal| delete(observed, *ordinal))
}

/// Whether a manager says that it has no server now. One that does not answer, or gets its first data, is not meant.
fn has_no_server(instance: &InstanceSeen) -> bool {
    let copies = matches!(instance.restore, Some(RestoreSeen::Running | RestoreSeen::Following { .. }));
    instance.host.is_none() && instance.status.role == Role::Changing && instance.status.restarted && !copies
}

/// Servers that work are replaced when their window begins.
fn waits_for_window(desired: &Desired, begin: Option<DateTime<Utc>>) -> Concern {
    let begin = begin.map_or_else(String::new, |begin| {
        format!(", which begins at {}", begin.format("%Y-%m-%d %H:%M UTC"))
    });
    let message = format!(
        "Servers are replaced in the window of spec.update.window{begin}. To replace them now, set annotation {}: \"{}\".",
        crate::names::APPROVE_UPDATE,
        revision(desired),
    );
    let reason = reason::UPDATE_SCHEDULED;
    Concern::finds(Ready::Yes, RequeueClass::Steady, State::Running, reason, message)
}

fn delete(observed: &Observed, ordinal: u32) -> Concern {
    match observed.pods.get(&ordinal) {
        Some(pod) => Concern::act(Step::DeletePod(ordinal, pod.uid.clone())),
        None => Concern::fine(),
    }
}
