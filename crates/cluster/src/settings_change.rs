//! Settings that have changed: running servers take what they can, pods are replaced for what they cannot.
//!
//! Guarantees: no pod is replaced for a value that no server takes; data that would not fit is not given less memory.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::names::reason;
use crate::observed::{InstanceSeen, Observed};
use crate::report::State;
use crate::settings::max_memory;
use crate::step::{RequeueClass, Step};
use crate::{lease_mode, pod, resize, rollout};

/// What is to be done so that all servers have the settings.
pub(crate) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    let (_, _, limit) = max_memory(desired);
    if let Some(used) = too_much_data(desired, observed, limit) {
        return memory_too_small(used, limit);
    }
    let running = reload(desired, observed).and(|| resize::concern(desired, observed));
    match refused(desired, observed) {
        // No successor of a pod would start. Without a primary, there is nothing to lose.
        Some(refused) if observed.primary().is_some() => running.and(|| refused),
        refused => running.and(|| refused.unwrap_or_default()).and(|| rollout::concern(desired, observed)),
    }
}

/// Bytes that the primary uses, if it would refuse writes with the lower limit that is declared.
fn too_much_data(desired: &Desired, observed: &Observed, limit: u64) -> Option<u64> {
    let policy = desired.spec.memory.as_ref().map_or("noeviction", |memory| &memory.policy);
    let (primary, _) = observed.primary()?;
    let seen = observed.instances.get(&primary)?;
    let is_less = seen.max_memory.is_some_and(|before| limit < before);
    let used = seen.used_memory.filter(|used| *used > limit);
    used.filter(|_| is_less && policy == "noeviction")
}

fn memory_too_small(used: u64, limit: u64) -> Concern {
    let message = format!(
        "Cannot lower the memory: the primary uses {used} bytes, and maxmemory would be {limit}. Delete keys, or increase \
         spec.resources.memory or spec.memory.maxMemoryPercent."
    );
    Concern::is_stuck(RequeueClass::Steady, State::Running, reason::MEMORY_TOO_SMALL, message)
}

/// Values that a server does not take. It goes on with those that it has.
fn refused(desired: &Desired, observed: &Observed) -> Option<Concern> {
    let wanted = rollout::settings_revision(desired, observed);
    let refuses =
        |(_, instance): &(&u32, &InstanceSeen)| instance.settings == wanted && !instance.refused.is_empty();
    let (ordinal, instance) = observed.instances.iter().find(refuses)?;
    let message = format!(
        "Server {} does not take a value of spec.config: {}. Correct it: a server that is started again does not start \
         with it.",
        desired.instance(*ordinal),
        instance.refused.join("; ").trim_end_matches('.')
    );
    Some(Concern::is_stuck(RequeueClass::Steady, State::Running, reason::SETTING_REFUSED, message))
}

/// Instances read settings that have changed. When the file has not arrived in the pod, they say so.
fn reload(desired: &Desired, observed: &Observed) -> Concern {
    let wanted = rollout::settings_revision(desired, observed);
    // A pod that is replaced starts with the new settings, and one that is resized gets them then.
    let (alone, revision) = (lease_mode::is_alone(desired, observed), pod::revision(desired));
    let stays = |(ordinal, instance): &(&u32, &InstanceSeen)| {
        let pod = observed.pods.get(*ordinal).filter(|pod| !pod.deleting);
        pod.is_some_and(|pod| pod.revision == revision || instance.alone != alone)
    };
    let behind = observed.instances.iter().filter(|(_, instance)| instance.settings != wanted);
    let mut behind = behind.filter(stays).peekable();
    let Some((first, _)) = behind.peek().copied() else { return Concern::fine() };
    let can_read = |(ordinal, instance): &(&u32, &InstanceSeen)| {
        !observed.reloaded.contains(*ordinal) && instance.host.is_some()
    };
    if let Some((ordinal, instance)) = behind.find(can_read) {
        return Concern::act(Step::Reload(*ordinal, instance.status.seen));
    }
    let message = format!("Waiting for new settings to arrive in {}.", desired.instance(*first));
    Concern::waits(RequeueClass::Active, State::Updating, reason::UPDATING, message)
}
