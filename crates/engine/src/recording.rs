//! The record in the status of the fields that the spec declares.

use super::{
    declared::Remembered,
    desired::{Desired, Vpc},
    difference, migration, network,
    observed::{Observed, ObservedService, Power, Remote},
    ownership,
    step::Step,
    tags,
};
use std::collections::{BTreeMap, BTreeSet};

/// Stands for a value of which only the name is recorded, and which is no longer declared.
const UNKNOWN: &str = "?";

/// The record after an observation, by path: a hash, or nothing where the value is not in force.
pub fn remembered(desired: &Desired, observed: &Observed) -> BTreeMap<String, String> {
    let resolved = network::resolved(desired, observed);
    let desired = resolved.as_ref().unwrap_or(desired);
    let outstanding = match &observed.remote {
        Remote::Present(service) if ownership::is_ours(desired, service) => {
            outstanding(desired, observed, service)
        }
        // The record of anything not read stays unchanged.
        _ => return unchanged(desired),
    };
    let mut next = BTreeMap::new();
    for (path, now) in &desired.declared {
        let entry = if outstanding.contains(path) { written(desired, path, now) } else { now.clone() };
        next.insert(path.clone(), entry);
    }
    for (path, before) in removed(desired).filter(|(path, _)| outstanding.contains(*path)) {
        next.insert(path.clone(), before.written(UNKNOWN));
    }
    next
}

/// The record of a service that this resource adopts: its declared values will be applied, or only compared.
pub(super) fn adopted(desired: &Desired) -> BTreeMap<String, String> {
    let entry = |now: &String| if desired.policies.corrects_drift { String::new() } else { now.clone() };
    desired.declared.iter().map(|(path, now)| (path.clone(), entry(now))).collect()
}

/// Whether the status holds exactly this record.
pub(super) fn is(desired: &Desired, wanted: &BTreeMap<String, String>) -> bool {
    unchanged(desired) == *wanted && desired.record_is_in_status
}

/// The step before `step`: where it would send a field without a record, or where it would annotate a generation
/// before recording its values.
pub(super) fn before(step: Step, desired: &Desired, observed: &Observed) -> Step {
    if matches!(step, Step::Annotate(_)) && !desired.record_is_in_status {
        let (declared, migration) = (remembered(desired, observed), migration::remembered(desired, observed));
        return Step::Record { declared, migration };
    }
    let sends = matches!(step, Step::Create(_) | Step::Update(_) | Step::PatchTags(_));
    if !sends || desired.deleting {
        return step;
    }
    let switches = matches!(&step, Step::Update(patch) if patch.powered.is_some());
    let unrecorded = desired.schedule.as_ref().is_some_and(|schedule| !schedule.is_recorded);
    if switches && unrecorded {
        // The status takes the override with it.
        let (declared, migration) = (remembered(desired, observed), migration::remembered(desired, observed));
        return Step::Record { declared, migration };
    }
    let known = |path| desired.record.as_ref().is_some_and(|record| record.contains_key(path));
    let begun = migration::before(&step, desired);
    if begun.is_none() && desired.declared.keys().all(known) {
        return step;
    }
    let mut declared = remembered(desired, observed);
    for path in desired.declared.keys() {
        declared.entry(path.clone()).or_default();
    }
    Step::Record { declared, migration: begun.or_else(|| migration::remembered(desired, observed)) }
}

fn unchanged(desired: &Desired) -> BTreeMap<String, String> {
    let Some(record) = &desired.record else { return BTreeMap::new() };
    let declared = desired.declared.iter().filter(|(path, _)| record.contains_key(*path));
    let declared = declared.map(|(path, now)| (path.clone(), written(desired, path, now)));
    let removed = removed(desired).map(|(path, before)| (path.clone(), before.written(UNKNOWN)));
    declared.chain(removed).collect()
}

fn removed(desired: &Desired) -> impl Iterator<Item = (&String, &Remembered)> {
    desired.record.iter().flatten().filter(|(path, _)| desired.was_removed(path))
}

/// The record of a declared field whose value is not in force.
fn written(desired: &Desired, path: &str, now: &str) -> String {
    match desired.record.as_ref().map(|record| record.get(path)) {
        Some(Some(Remembered::InForce(before))) => before.clone(),
        Some(Some(Remembered::Pending) | None) => String::new(),
        None | Some(Some(Remembered::Assumed)) if desired.is_edit(path) => String::new(),
        None | Some(Some(Remembered::Assumed)) => now.to_owned(),
    }
}

/// The fields whose declared values are not in force: the service shows other values, and may still change.
fn outstanding(desired: &Desired, observed: &Observed, service: &ObservedService) -> BTreeSet<String> {
    let changes = service.state.power() == Power::Changing || observed.unsettled;
    let mut outstanding = BTreeSet::new();
    for one in difference::settings(desired, service) {
        let patch = difference::patch([&one], desired, service);
        if changes || !observed.was_sent(&patch) {
            outstanding.insert(one.path);
        }
    }
    for one in tags::differences(desired, service) {
        if changes || !observed.tags_were_sent(&tags::patch([&one])) {
            outstanding.insert(one.path);
        }
    }
    if matches!(desired.vpc, Vpc::Reference(_)) {
        // Neither can be compared before the network is resolved.
        outstanding.extend(["projectVpcId", "cloudName"].map(str::to_owned));
    }
    let as_asked = if desired.powered { Power::Serving } else { Power::Off };
    if service.state.power() != as_asked {
        outstanding.insert("powered".to_owned());
    }
    outstanding
}
