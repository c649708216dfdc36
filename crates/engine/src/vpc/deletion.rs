//! The end of a `ProjectVPC`. Its VPC is deleted, and the finalizer is released when the list shows that none is
//! left: neither the noted one, nor one that an unanswered request may have created.

use super::{
    desired::DesiredVpc,
    existing::about,
    locate::{Located, locate},
    observed::{ObservedVpc, SeenVpc},
    status::Note,
    step::{VpcStep, VpcTarget},
};
use crate::{
    policies::{DeletionPolicy, unknown_deletion},
    report::{Ready, Report},
    step::RequeueClass,
    token_release,
};
use valkeeper_api::{Custom as _, ProjectVpc, names::reason};

pub(super) fn decide(desired: &DesiredVpc, observed: &ObservedVpc) -> (VpcStep, Report) {
    let DesiredVpc { cidr, project, name, .. } = desired;
    let report = Report::new(
        Ready::Progressing,
        reason::DELETING,
        format!("Deleting VPC {cidr} of project {project}."),
    );
    if !desired.has_finalizer {
        return (VpcStep::Requeue(RequeueClass::AwaitingSpecChange), report);
    }
    let nothing_to_delete = desired.id.is_none() && !desired.requested;
    match &desired.policies.deletion {
        _ if desired.is_releasing => return release(desired, observed, report),
        DeletionPolicy::Orphan => return release(desired, observed, report),
        DeletionPolicy::Unknown { place, value } => {
            let message = unknown_deletion(&format!("{} {name}", ProjectVpc::NAME), place, value);
            let report = Report::new(Ready::Stuck, reason::UNKNOWN_DELETION_POLICY, message);
            return (VpcStep::Requeue(RequeueClass::AwaitingSpecChange), report);
        }
        DeletionPolicy::Delete if nothing_to_delete => return release(desired, observed, report),
        DeletionPolicy::Delete => {}
    }
    let Some(vpcs) = &observed.vpcs else { return (VpcStep::Observe(VpcTarget::Vpcs), report) };
    match locate(desired, observed, vpcs) {
        Located::Known(vpc) => known(desired, observed, vpc, report),
        Located::Found(vpc) => {
            let report = Report { state: Some(vpc.state.clone()), running: Some(false), ..report };
            (VpcStep::Note(Note::Id(vpc.id.clone())), report)
        }
        Located::Unclear => (VpcStep::Observe(VpcTarget::Claims), report),
        Located::Unlisted(_) | Located::Foreign(_) | Located::Nowhere if observed.absence_is_certain => {
            release(desired, observed, report)
        }
        Located::Unlisted(_) | Located::Foreign(_) | Located::Nowhere => {
            let message = format!(
                "{} Aiven does not list it. The operator lists again automatically before it concludes that the VPC is gone.",
                report.message
            );
            (VpcStep::Requeue(RequeueClass::Building), Report { message, ..report })
        }
    }
}

/// A cached object may be from before the note of what has to be deleted.
fn release(desired: &DesiredVpc, observed: &ObservedVpc, report: Report) -> (VpcStep, Report) {
    if !observed.object_is_live {
        return (VpcStep::Observe(VpcTarget::Object), report);
    }
    let step = token_release::release(observed.held_names.as_ref(), desired.is_releasing).into();
    (step, report)
}

fn known(desired: &DesiredVpc, observed: &ObservedVpc, vpc: &SeenVpc, report: Report) -> (VpcStep, Report) {
    if vpc.state == "DELETED" {
        return release(desired, observed, report);
    }
    let report = Report { state: Some(vpc.state.clone()), running: Some(false), ..report };
    if vpc.state == "DELETING" {
        return (VpcStep::Requeue(RequeueClass::Building), report);
    }
    if let Some(answer) = &observed.in_use {
        let message = format!(
            "Deleting VPC {} when its last service has left it. Aiven answered: {}. Delete the services in it or move them elsewhere.",
            desired.cidr,
            answer.trim_end_matches('.')
        );
        let report = about(vpc, Ready::Progressing, reason::IN_USE, message);
        return (VpcStep::Requeue(RequeueClass::Building), report);
    }
    if observed.deletion_requested {
        return (VpcStep::Requeue(RequeueClass::Building), report);
    }
    if !observed.object_is_live {
        return (VpcStep::Observe(VpcTarget::Object), report);
    }
    (VpcStep::Delete(vpc.id.clone()), report)
}
