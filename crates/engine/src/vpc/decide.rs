//! The next step for a `ProjectVPC`.

use super::{
    deletion,
    desired::DesiredVpc,
    existing,
    locate::{Located, locate},
    observed::{ObservedVpc, SeenVpc},
    status::Note,
    step::{VpcStep, VpcTarget},
};
use crate::{
    report::{Ready, Report},
    step::RequeueClass,
};
use valkeeper_api::{Custom as _, ProjectVpc, names::reason};

/// The next step for `desired`, and what may be reported before it is done.
pub fn decide(desired: &DesiredVpc, observed: &ObservedVpc) -> (VpcStep, Report) {
    if desired.policies.paused {
        return paused(desired);
    }
    if desired.deleting {
        return deletion::decide(desired, observed);
    }
    if !desired.has_finalizer {
        return (VpcStep::AddFinalizer, creating(desired));
    }
    let Some(vpcs) = &observed.vpcs else {
        return (VpcStep::Observe(VpcTarget::Vpcs), creating(desired));
    };
    match locate(desired, observed, vpcs) {
        Located::Known(vpc) => existing::decide(desired, observed, vpc),
        Located::Unlisted(id) if observed.absence_is_certain => existing::missing(desired, id),
        Located::Unlisted(id) => existing::unlisted(desired, id),
        Located::Found(vpc) => (VpcStep::Note(Note::Id(vpc.id.clone())), existing::report(desired, vpc)),
        Located::Unclear => (VpcStep::Observe(VpcTarget::Claims), creating(desired)),
        Located::Foreign(vpc) => foreign(desired, vpc),
        Located::Nowhere => creation(desired, observed),
    }
}

fn paused(desired: &DesiredVpc) -> (VpcStep, Report) {
    let report = Report::paused(&format!("Reconciliation of {} {}", ProjectVpc::NAME, desired.name));
    (VpcStep::Requeue(RequeueClass::AwaitingSpecChange), report)
}

fn creating(desired: &DesiredVpc) -> Report {
    let DesiredVpc { cidr, cloud, project, .. } = desired;
    let message = format!("Creating VPC {cidr} of {cloud} in project {project}.");
    Report::new(Ready::Progressing, reason::CREATING, message)
}

fn creation(desired: &DesiredVpc, observed: &ObservedVpc) -> (VpcStep, Report) {
    let report = creating(desired);
    if !observed.token_is_held {
        return (existing::hold(desired), report);
    }
    if !observed.object_is_live {
        return (VpcStep::Observe(VpcTarget::Object), report);
    }
    if !desired.requested {
        return (VpcStep::Note(Note::Requested), report);
    }
    if observed.absence_is_certain {
        return (VpcStep::Create, report);
    }
    let DesiredVpc { cidr, cloud, project, .. } = desired;
    let message = format!(
        "Creating VPC {cidr} of {cloud} in project {project}. The result of the last request is not known yet. The operator retries automatically when the VPC does not appear."
    );
    (VpcStep::Requeue(RequeueClass::Building), Report { message, ..report })
}

fn foreign(desired: &DesiredVpc, vpc: &SeenVpc) -> (VpcStep, Report) {
    let DesiredVpc { name, project, cidr, cloud, .. } = desired;
    let kind = ProjectVpc::NAME;
    let message = format!(
        "VPC {cidr} of {cloud} exists already in project {project} (id {}) and was not created by {kind} {name}. Set spec.projectVpcId of services to its id, or apply a {kind} with another spec.networkCidr.",
        vpc.id
    );
    (VpcStep::Requeue(RequeueClass::AwaitingExternal), Report::new(Ready::Stuck, reason::NOT_OWNED, message))
}
