//! The one next step for a cluster: the first that any concern can take, and the finding that a user should read.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::final_backup::{self, FinalBackupSeen};
use crate::names::{self, reason};
use crate::observed::Observed;
use crate::pod_seen::PodSeen;
use crate::report::{ClusterReport, Finding, State};
use crate::serving;
use crate::step::{Decision, RequeueClass, Step};
use crate::{deletion, failover, foundations, instances, restore, settings_change, volumes};
use valkeeper_api::names as api_names;
use valkeeper_engine::{ConnectionSecret, Ready, Report};

/// Decides what to do for a cluster.
pub fn decide(desired: &Desired, observed: &Observed) -> Decision {
    let concern = concern(desired, observed);
    let finding = concern.findings.iter().rev().max_by_key(|finding| finding.weight()).cloned();
    let finding = finding.unwrap_or_else(|| fine(desired, observed));
    let step = concern.step.unwrap_or(Step::Requeue(concern.again.unwrap_or(RequeueClass::Steady)));
    Decision { step, report: report(desired, observed, finding) }
}

fn concern(desired: &Desired, observed: &Observed) -> Concern {
    if desired.deleting {
        return deletion::deletion(desired, observed);
    }
    if desired.awaits_final_backup {
        return before_deletion(desired, observed);
    }
    running(desired, observed)
}

/// The servers go on as before until their last backup is stored.
fn before_deletion(desired: &Desired, observed: &Observed) -> Concern {
    let concern = final_backup::concern(desired, &observed.final_backup);
    match observed.final_backup {
        FinalBackupSeen::Done(_) => concern,
        // Such as in a namespace that is being deleted, where no pod can be created either.
        FinalBackupSeen::Refused(_) => concern.and(|| kept(desired, observed)),
        _ => concern.and(|| running(desired, observed)),
    }
}

fn running(desired: &Desired, observed: &Observed) -> Concern {
    if !desired.violations.is_empty() {
        let told = Report::invalid_spec(&desired.violations).message;
        return kept(desired, observed)
            .and(|| Concern::is_stuck(RequeueClass::Steady, State::Unavailable, reason::INVALID_SPEC, told));
    }
    if desired.paused {
        let message = format!("Paused by annotation {}; failovers go on.", api_names::PAUSED);
        return kept(desired, observed)
            .and(|| Concern::is_stuck(RequeueClass::Steady, State::Running, reason::PAUSED, message));
    }
    if !desired.has_finalizer {
        return Concern::act(Step::AddFinalizer);
    }
    if !desired.is_powered() {
        return deletion::power_off(observed)
            .and(|| volumes::grow(desired, observed))
            .and(|| secret(desired, observed));
    }
    restore::concern(desired, observed)
        .and(|| failover::concern(desired, observed))
        .and(|| foundations::concern(desired, observed))
        .and(|| instances::concern(desired, observed))
        .and(|| trouble(desired, observed))
        .and(|| serving::unsupported(desired, observed))
        .and(|| volumes::grow(desired, observed))
        .and(|| volumes::growing(desired, observed))
        .and(|| settings_change::concern(desired, observed))
        .and(|| secret(desired, observed))
        .and(|| readiness(desired, observed))
        .and(|| serving::pending(desired, observed))
}

/// What goes on whatever is wrong with the resource.
fn kept(desired: &Desired, observed: &Observed) -> Concern {
    if desired.has_finalizer && desired.is_powered() {
        failover::concern(desired, observed)
    } else {
        Concern::fine()
    }
}

/// Pods that cannot start, and servers that cannot write to their disk.
fn trouble(desired: &Desired, observed: &Observed) -> Concern {
    let state = if observed.primary().is_some() { State::Degraded } else { State::Creating };
    for (ordinal, pod) in &observed.pods {
        let PodSeen { problem: Some(problem), .. } = pod else { continue };
        let name = desired.instance(*ordinal);
        let (why, action) = if problem.unscheduled {
            (reason::UNSCHEDULABLE, "Add nodes, or change spec.placement or spec.resources.")
        } else {
            (reason::POD_FAILED, "Correct the cause, such as spec.image; the operator retries automatically.")
        };
        let message = format!("Cannot start pod {name}: {}. {action}", problem.text.trim_end_matches('.'));
        return Concern::is_stuck(RequeueClass::Active, state, why, message);
    }
    let failing =
        observed.instances.iter().find(|(_, instance)| instance.host.is_some() && !instance.writes_succeed);
    failing.map_or_else(Concern::fine, |(ordinal, _)| {
        let message = format!(
            "Server {} cannot write to its disk. Free space on its volume.",
            desired.instance(*ordinal)
        );
        Concern::is_stuck(RequeueClass::Steady, State::Degraded, reason::DISK_FAILED, message)
    })
}

/// The connection Secret follows the Services, which are there from the beginning; the first appears with the first
/// primary.
fn secret(desired: &Desired, observed: &Observed) -> Concern {
    let Some(target) = &desired.target else { return Concern::fine() };
    let name = &target.name;
    let first = desired.status.connection_secret.is_none();
    if first && observed.primary().is_none() {
        return Concern::fine();
    }
    match &observed.secret {
        ConnectionSecret::Foreign { owner } => {
            let message = format!(
                "Secret {name} {owner}. Delete it, or choose another name in spec.connInfoSecretTarget.name."
            );
            Concern::is_stuck(RequeueClass::Active, State::Running, reason::SECRET_CONFLICT, message)
        }
        ConnectionSecret::Ours { current: false, immutable: true } => {
            let message =
                format!("Secret {name} is immutable and outdated. Delete it; the operator recreates it.");
            Concern::is_stuck(RequeueClass::Active, State::Running, reason::SECRET_IMMUTABLE, message)
        }
        ConnectionSecret::Absent | ConnectionSecret::Ours { current: false, .. } => {
            Concern::act(Step::WriteSecret)
        }
        ConnectionSecret::Ours { current: true, .. }
        | ConnectionSecret::Exists
        | ConnectionSecret::Unknown => Concern::fine(),
    }
}

/// All is done: whether all instances are as they should be.
fn readiness(desired: &Desired, observed: &Observed) -> Concern {
    let Some((primary, _)) = observed.primary() else {
        let state = if desired.status.term.is_some() { State::Unavailable } else { State::Creating };
        let why = if desired.status.term.is_some() { reason::FAILING_OVER } else { reason::CREATING };
        return Concern::waits(RequeueClass::Urgent, state, why, "Waiting for the servers to start.");
    };
    let behind = (0..desired.instances()).find(|ordinal| {
        let synced = |instance: &crate::InstanceSeen| instance.status.synced;
        *ordinal != primary && !observed.instances.get(ordinal).is_some_and(synced)
    });
    behind.map_or_else(Concern::fine, |ordinal| {
        let name = desired.instance(ordinal);
        let message = format!("Writes are accepted. Waiting for {name} to catch up.");
        Concern::waits(RequeueClass::Active, State::Degraded, reason::DEGRADED, message)
    })
}

fn fine(desired: &Desired, observed: &Observed) -> Finding {
    if observed.primary().is_none() {
        let message = "Starting the servers.".to_owned();
        return Finding {
            ready: Ready::Progressing,
            state: State::Creating,
            reason: reason::CREATING,
            message,
        };
    }
    let message = match desired.instances() {
        1 => "The server runs.".to_owned(),
        count => format!("A primary and {} in sync.", replicas(count - 1)),
    };
    Finding { ready: Ready::Yes, state: State::Running, reason: reason::RUNNING, message }
}

fn replicas(count: u32) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}

fn report(desired: &Desired, observed: &Observed, finding: Finding) -> ClusterReport {
    let primary = observed.primary();
    let routed = |ordinal: u32| {
        observed.pods.get(&ordinal).is_some_and(|pod| pod.role.as_deref() == Some(names::PRIMARY))
    };
    let synced = observed.instances.values().any(|instance| instance.status.synced);
    let Finding { ready, state, reason, message } = finding;
    ClusterReport {
        ready,
        state: state.as_str(),
        reason,
        message,
        available: primary.is_some_and(|(ordinal, _)| routed(ordinal)),
        protected: (desired.instances() > 1).then_some(primary.is_some() && synced),
        paused: desired.paused,
    }
}
