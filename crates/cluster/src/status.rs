//! The status of a cluster after a look: facts, and conditions from the report.

use crate::access;
use crate::desired::Desired;
use crate::durability;
use crate::final_backup::FinalBackupSeen;
use crate::members;
use crate::names;
use crate::observed::{BackupsSeen, InstanceSeen, LeaseSeen, Observed};
use crate::pod::revision;
use crate::report::ClusterReport;
use crate::restore;
use crate::serving;
use crate::settings::max_memory;
use chrono::{DateTime, SubsecRound as _, Utc};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use valkeeper_api::{
    ClusterStatus,
    names::condition,
    valkey_cluster::{FailoverRecord, InstanceStatus, MemoryStatus, RestoredStatus},
};
use valkeeper_engine::{Ready, conditions::short};
use valkeeper_failover::protocol::Role;

/// The status after this look. `failover` is a promotion that was asked for.
pub fn next(
    desired: &Desired,
    observed: &Observed,
    report: &ClusterReport,
    failover: Option<&FailoverRecord>,
    now: DateTime<Utc>,
) -> ClusterStatus {
    let before = &desired.status;
    let primary = observed.primary().map(|(ordinal, _)| desired.instance(ordinal));
    let instances = instances(desired, observed);
    let ready = observed.pods.values().filter(|pod| pod.ready && !pod.deleting).count();
    let (limit, percent, share) = max_memory(desired);
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let memory = MemoryStatus { limit_bytes: bytes(limit), percent, max_memory_bytes: bytes(share) };
    let done = failover.filter(|record| primary.as_ref() == Some(&record.to));
    let mut restart: Vec<String> =
        observed.instances.values().flat_map(|instance| instance.need_restart.clone()).collect();
    restart.sort();
    restart.dedup();
    let next = ClusterStatus {
        state: Some(report.state.to_owned()),
        observed_generation: Some(desired.generation),
        current_primary: primary,
        term: term(desired, observed),
        durability: durability::next(desired, observed),
        ready_instances: Some(i32::try_from(ready).unwrap_or(i32::MAX)),
        instances,
        last_failover: done.cloned().or_else(|| before.last_failover.clone()),
        restored: before.restored.clone().or_else(|| restored(desired, observed, now)),
        final_backup: before.final_backup.clone().or_else(|| match &observed.final_backup {
            FinalBackupSeen::Done(backup) => Some(backup.clone()),
            _ => None,
        }),
        members: members::counted(desired, observed),
        memory: Some(memory),
        revision: Some(revision(desired)),
        restart_needed: restart,
        certificate: serving::certificate(desired, observed),
        access: access::status(desired, observed, now),
        connection_secret: before.connection_secret.clone(),
        binding: before.binding.clone(),
        conditions: conditions(desired, observed, report, now),
    };
    if says_the_same(before, &next) {
        ClusterStatus { instances: before.instances.clone(), ..next }
    } else {
        next
    }
}

/// Once the data of the backup is safe, the cluster is like any other.
fn restored(desired: &Desired, observed: &Observed, now: DateTime<Utc>) -> Option<RestoredStatus> {
    if !restore::is_due(desired) || !restore::is_done(desired, observed) {
        return None;
    }
    restore::source(desired, observed).map(|key| RestoredStatus { key, at: now.trunc_subsecs(0) })
}

/// Offsets alone are not worth a write.
fn says_the_same(before: &ClusterStatus, next: &ClusterStatus) -> bool {
    let plain = |status: &ClusterStatus| {
        let mut status = status.clone();
        for instance in &mut status.instances {
            (instance.offset, instance.lag_bytes) = (None, None);
        }
        status
    };
    plain(before) == plain(next)
}

/// It never goes back.
fn term(desired: &Desired, observed: &Observed) -> Option<i64> {
    let leased = match &observed.lease {
        LeaseSeen::Present(lease) => lease.term.0,
        _ => 0,
    };
    let reigns = |instance: &InstanceSeen| match instance.status.role {
        Role::Primary(term) => term.0,
        _ => 0,
    };
    let seen = observed.instances.values().map(reigns).max().unwrap_or_default();
    let term = leased.max(seen).max(desired.remembered().0);
    (term > 0).then(|| i64::try_from(term).unwrap_or(i64::MAX))
}

fn instances(desired: &Desired, observed: &Observed) -> Vec<InstanceStatus> {
    let offset = |instance: &InstanceSeen| instance.status.position.map(|position| position.offset);
    let head = observed.primary().and_then(|(_, instance)| offset(instance));
    let of = |(ordinal, pod): (&u32, &crate::PodSeen)| {
        let instance = observed.instances.get(ordinal);
        let own = instance.and_then(offset);
        let is_replica = instance.is_some_and(|instance| matches!(instance.status.role, Role::Replica(_)));
        let lag = head.zip(own).filter(|_| is_replica).map(|(head, own)| whole(head.saturating_sub(own)));
        InstanceStatus {
            name: desired.instance(*ordinal),
            role: role(instance).to_owned(),
            node: pod.node.clone(),
            zone: pod.zone.clone(),
            synced: instance.is_some_and(|instance| instance.status.synced),
            access: instance.map(|instance| instance.access.clone()).unwrap_or_default(),
            offset: own.map(whole),
            lag_bytes: lag,
        }
    };
    observed.pods.iter().map(of).collect()
}

fn role(instance: Option<&InstanceSeen>) -> &'static str {
    match instance.map(|instance| &instance.status.role) {
        Some(Role::Primary(_)) => "Primary",
        Some(Role::Replica(_)) => "Replica",
        Some(Role::Held) => "Held",
        Some(Role::Changing) | None => "Starting",
    }
}

/// As the API stores numbers.
pub(crate) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A condition: its type, its status, its reason and its message.
pub(crate) type Statement = (&'static str, &'static str, &'static str, String);

/// `Ready`, and the condition that says whether anything moves.
pub(crate) fn readiness(ready: Ready, reason: &'static str, message: &str) -> Vec<Statement> {
    let is_ready = if ready == Ready::Yes { "True" } else { "False" };
    let mut list = vec![(condition::READY, is_ready, reason, message.to_owned())];
    match ready {
        Ready::Progressing | Ready::Unchanged => {
            list.push((condition::RECONCILING, "True", reason, message.to_owned()));
        }
        Ready::Stuck => list.push((condition::STALLED, "True", reason, message.to_owned())),
        Ready::Yes => {}
    }
    list
}

/// The conditions of a resource that has no others.
pub(crate) fn plain_conditions(
    before: &[Condition],
    (ready, reason, message): (Ready, &'static str, &str),
    generation: i64,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    listed(before, readiness(ready, reason, message), generation, now)
}

/// The conditions after a report. What says the same as before comes out equal.
fn conditions(
    desired: &Desired,
    observed: &Observed,
    report: &ClusterReport,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    let (before, backups) = (&desired.status.conditions, &observed.backups);
    let truth = |value: bool| if value { "True" } else { "False" };
    let mut list = readiness(report.ready, report.reason, &report.message);
    let available = if report.available { "A primary accepts writes." } else { "No server accepts writes." };
    let why = if report.available { "PrimaryRouted" } else { "NoPrimary" };
    list.push((condition::AVAILABLE, truth(report.available), why, available.to_owned()));
    if let Some(protected) = report.protected {
        let (why, text) = if protected {
            ("ReplicaInSync", "A replica has everything that the primary had when it was last asked.")
        } else {
            ("NoReplicaInSync", "No replica is in sync: a failure of the primary loses data.")
        };
        list.push((condition::PROTECTED, truth(protected), why, text.to_owned()));
    }
    list.extend(serving::statement(desired, observed));
    list.extend(access::statement(desired, observed));
    if let BackupsSeen::Schedules(Some(fresh)) = backups {
        list.push(fresh.statement());
    }
    if report.paused {
        list.push((condition::PAUSED, "True", names::reason::PAUSED, report.message.clone()));
    }
    let mut next = listed(before, list, desired.generation, now);
    if *backups == BackupsSeen::Unknown {
        // What was said stays.
        next.extend(before.iter().filter(|old| old.type_ == condition::BACKUP_FRESH).cloned());
        next.sort_by(|one, other| one.type_.cmp(&other.type_));
    }
    next
}

pub(crate) fn listed(
    before: &[Condition],
    list: Vec<Statement>,
    generation: i64,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    let mut next: Vec<Condition> = list
        .into_iter()
        .map(|(type_, status, reason, message)| {
            let old = before.iter().find(|old| old.type_ == type_ && old.status == status);
            let since = old.map_or_else(|| time(now), |old| old.last_transition_time.clone());
            Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: short(message),
                observed_generation: Some(generation),
                last_transition_time: since,
            }
        })
        .collect();
    next.sort_by(|one, other| one.type_.cmp(&other.type_));
    next
}

fn time(now: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(now.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH))
}
