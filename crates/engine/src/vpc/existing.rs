//! A VPC that is the resource's own: it is followed until it is active, and its loss is reported.

use super::{
    desired::DesiredVpc,
    observed::{ACTIVE, ObservedVpc, SeenVpc, is_going},
    step::VpcStep,
};
use crate::{
    report::{Ready, Report},
    step::RequeueClass,
    token_release,
};
use std::collections::BTreeMap;
use valkeeper_api::{
    Custom as _, ProjectVpc,
    names::{self, reason},
};

pub(super) fn decide(desired: &DesiredVpc, observed: &ObservedVpc, vpc: &SeenVpc) -> (VpcStep, Report) {
    if is_going(&vpc.state) {
        return missing(desired, &vpc.id);
    }
    let report = report(desired, vpc);
    if !observed.token_is_held {
        return (hold(desired), report);
    }
    let stale = stale_annotations(desired, vpc);
    if !stale.is_empty() {
        let (current, held) = (desired.token_secret.as_deref(), observed.held_names.as_ref());
        // A token Secret that an annotation names is released before the annotation is removed.
        let first = token_release::before_note(current, &desired.annotations, held);
        return (first.map_or(VpcStep::Annotate(stale), VpcStep::from), report);
    }
    let requeue = if vpc.state == ACTIVE { RequeueClass::AwaitingSpecChange } else { RequeueClass::Building };
    (VpcStep::Requeue(requeue), report)
}

/// The next step to keep the token Secret from deletion.
pub(super) fn hold(desired: &DesiredVpc) -> VpcStep {
    let note = token_release::missing_note(desired.token_secret.as_deref(), &desired.annotations);
    note.map_or(VpcStep::AddTokenFinalizer, VpcStep::Annotate)
}

pub(super) fn report(desired: &DesiredVpc, vpc: &SeenVpc) -> Report {
    let (cidr, state) = (&desired.cidr, &vpc.state);
    if state == ACTIVE {
        let message = format!("VPC {cidr} is active. Services can be placed in it.");
        return about(vpc, Ready::Yes, reason::RUNNING, message);
    }
    let message = format!("Setting up VPC {cidr}. Aiven reports {state}.");
    about(vpc, Ready::Progressing, reason::BUILDING, message)
}

/// The VPC is certainly gone.
pub(super) fn missing(desired: &DesiredVpc, id: &str) -> (VpcStep, Report) {
    let message = format!(
        "VPC {id} of project {} does not exist anymore. Delete {} {} and apply it again to get a new one.",
        desired.project,
        ProjectVpc::NAME,
        desired.name
    );
    let mut report = Report::new(Ready::Stuck, reason::EXTERNAL_MISSING, message);
    report.running = Some(false);
    (VpcStep::Requeue(RequeueClass::AwaitingExternal), report)
}

/// One list does not show the VPC, which may be the list's fault.
pub(super) fn unlisted(desired: &DesiredVpc, id: &str) -> (VpcStep, Report) {
    let message = format!(
        "Aiven does not list VPC {id} of project {}. The operator lists again automatically before it concludes that the VPC is gone.",
        desired.project
    );
    let report = if desired.was_active {
        Report::new(Ready::Unchanged, reason::EXTERNAL_MISSING, message)
    } else {
        Report::new(Ready::Progressing, reason::BUILDING, message)
    };
    (VpcStep::Requeue(RequeueClass::Building), report)
}

/// The bookkeeping annotations that are not up to date. aiven-operator takes a `ProjectVPC` without them for a
/// new one, and creates a second VPC.
fn stale_annotations(desired: &DesiredVpc, vpc: &SeenVpc) -> BTreeMap<&'static str, Option<String>> {
    let running = (vpc.state == ACTIVE).then(|| true.to_string());
    let mut stale = BTreeMap::from([
        (names::GENERATION_PROCESSED, Some(desired.generation.to_string())),
        (names::INSTANCE_RUNNING, running),
        (names::TOKEN_SECRET, desired.token_secret.clone()),
    ]);
    stale.retain(|key, value| desired.annotations.get(*key) != value.as_ref());
    stale
}

/// A report about a VPC that was seen.
pub(super) fn about(vpc: &SeenVpc, ready: Ready, reason: &'static str, message: impl Into<String>) -> Report {
    Report {
        state: Some(vpc.state.clone()),
        initialized: true,
        running: Some(vpc.state == ACTIVE),
        ..Report::new(ready, reason, message)
    }
}
