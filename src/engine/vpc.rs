//! Decisions about a `ProjectVPC`. The provider neither names nor marks a VPC, so this program writes down
//! that it is about to ask for one before it does, and the identifier as soon as it knows it: a lost answer
//! then leads to the VPC that was created, and a VPC of somebody else is never taken for it.

use super::{
    policies::{Defaults, DeletionPolicy, Policies},
    report::{Ready, Report},
    step::Pace,
};
use crate::api::{
    Custom as _, ProjectVpc,
    names::{self, reason},
    policies::Policies as Declared,
};

/// What a `ProjectVPC` asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    name: String,
    project: String,
    cloud: String,
    cidr: String,
    deleting: bool,
    has_finalizer: bool,
    policies: Policies,
    /// The VPC that is known to be this object's.
    id: Option<String>,
    /// A VPC was asked for, and what came of it is not known.
    requested: bool,
}

/// A VPC at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenVpc {
    /// Identifier.
    pub id: String,
    /// Cloud and region.
    pub cloud: String,
    /// Address range.
    pub cidr: String,
    /// The provider's word for its state.
    pub state: String,
}

/// One look at what belongs to a `ProjectVPC`.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The VPCs of the project; none if nobody looked yet.
    pub vpcs: Option<Vec<SeenVpc>>,
    /// The object was read from the API server, not from a cache, in this pass.
    pub object_is_live: bool,
    /// The provider has just refused to delete the VPC because of what is in it, in these words.
    pub in_use: Option<String>,
}

/// The next thing to do for a `ProjectVPC`: at most one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VpcStep {
    /// Read again what the decision needs.
    Look,
    /// Put the finalizer on the object.
    AddFinalizer,
    /// Write down that a VPC is about to be asked for.
    NoteRequest,
    /// Create the VPC.
    Create,
    /// Write down which VPC is this object's.
    NoteId(String),
    /// Delete the VPC.
    Delete(String),
    /// Let Kubernetes remove the object.
    ReleaseFinalizer,
    /// Rest for a while.
    Rest(Pace),
}

impl Wish {
    /// Reads a `ProjectVPC`.
    pub fn of(object: &ProjectVpc, defaults: Defaults) -> Self {
        let (meta, spec) = (&object.metadata, &object.spec);
        let status = object.status.as_ref();
        Self {
            name: meta.name.clone().unwrap_or_default(),
            project: spec.project.clone(),
            cloud: spec.cloud_name.clone(),
            cidr: spec.network_cidr.clone(),
            deleting: meta.deletion_timestamp.is_some(),
            has_finalizer: names::has_finalizer(meta),
            policies: Policies::of(
                &Declared::default(),
                &meta.annotations.clone().unwrap_or_default(),
                defaults,
            ),
            id: status.and_then(|status| status.id.clone()).filter(|id| !id.is_empty()),
            requested: status.is_some_and(|status| status.creation_requested),
        }
    }

    /// The VPC of this object among those of the project.
    fn find<'v>(&self, vpcs: &'v [SeenVpc]) -> Option<&'v SeenVpc> {
        match &self.id {
            Some(id) => vpcs.iter().find(|vpc| vpc.id == *id),
            None => vpcs
                .iter()
                .find(|vpc| vpc.cloud == self.cloud && vpc.cidr == self.cidr && !is_going(&vpc.state)),
        }
    }
}

/// The next step for `wish`, and what may be said about the object before it is done.
pub fn decide(wish: &Wish, sight: &Sight) -> (VpcStep, Report) {
    if wish.policies.paused {
        let message =
            format!("Nothing is written for this object until annotation {} is removed", names::PAUSED);
        let report = Report { paused: true, ..Report::new(Ready::Unchanged, reason::PAUSED, message) };
        return (VpcStep::Rest(Pace::Quiet), report);
    }
    if wish.deleting {
        return deletion(wish, sight);
    }
    if !wish.has_finalizer {
        let message = format!("Looking after {} {}", ProjectVpc::NAME, wish.name);
        return (VpcStep::AddFinalizer, Report::new(Ready::Progressing, reason::CREATING, message));
    }
    let Some(vpcs) = &sight.vpcs else {
        return (VpcStep::Look, Report::new(Ready::Progressing, reason::CREATING, "Looking for the VPC"));
    };
    match (wish.find(vpcs), &wish.id) {
        (Some(vpc), Some(_)) => existing(wish, vpc),
        (Some(vpc), None) if wish.requested => (
            VpcStep::NoteId(vpc.id.clone()),
            about(vpc, Ready::Progressing, reason::CREATING, "Found the VPC"),
        ),
        (Some(vpc), None) => {
            let message = format!(
                "VPC {} of {} exists already in project {} (id {}) and was not created by this object; it is left alone. Use its id as spec.projectVpcId of services, or choose another networkCidr",
                wish.cidr, wish.cloud, wish.project, vpc.id
            );
            rest(Pace::Attentive, Report::new(Ready::Stuck, reason::NOT_OWNED, message))
        }
        (None, Some(id)) => gone(wish, id),
        (None, None) => creation(wish, sight),
    }
}

fn creation(wish: &Wish, sight: &Sight) -> (VpcStep, Report) {
    let message = format!("Creating VPC {} of {} in project {}", wish.cidr, wish.cloud, wish.project);
    let step = match (wish.requested, sight.object_is_live) {
        (_, false) => VpcStep::Look,
        (false, true) => VpcStep::NoteRequest,
        (true, true) => VpcStep::Create,
    };
    (step, Report::new(Ready::Progressing, reason::CREATING, message))
}

fn existing(wish: &Wish, vpc: &SeenVpc) -> (VpcStep, Report) {
    if vpc.state == "ACTIVE" {
        let message = format!("VPC {} is active; services can be placed in it", wish.cidr);
        return rest(Pace::Quiet, about(vpc, Ready::Yes, reason::RUNNING, message));
    }
    if is_going(&vpc.state) {
        return gone(wish, &vpc.id);
    }
    let message = format!("VPC {} is being set up; the provider says {}", wish.cidr, vpc.state);
    rest(Pace::Building, about(vpc, Ready::Progressing, reason::BUILDING, message))
}

fn gone(wish: &Wish, id: &str) -> (VpcStep, Report) {
    let message = format!(
        "VPC {id} of project {} does not exist any more; delete this {} and apply it again to get a new one",
        wish.project,
        ProjectVpc::NAME
    );
    let mut report = Report::new(Ready::Stuck, reason::EXTERNAL_MISSING, message);
    report.running = Some(false);
    rest(Pace::Attentive, report)
}

fn deletion(wish: &Wish, sight: &Sight) -> (VpcStep, Report) {
    let message = format!("Deleting VPC {} of project {}", wish.cidr, wish.project);
    let report = Report::new(Ready::Progressing, reason::DELETING, message);
    if !wish.has_finalizer {
        return rest(Pace::Quiet, report);
    }
    match &wish.policies.deletion {
        DeletionPolicy::Orphan => return (VpcStep::ReleaseFinalizer, report),
        DeletionPolicy::Unknown { place, value } => {
            let message = format!(
                "{place} is {value:?}, which is neither Orphan nor Delete; nothing is deleted until it is corrected or removed"
            );
            let report = Report::new(Ready::Stuck, reason::UNKNOWN_DELETION_POLICY, message);
            return rest(Pace::Quiet, report);
        }
        DeletionPolicy::Delete => {}
    }
    if wish.id.is_none() && !wish.requested {
        return (VpcStep::ReleaseFinalizer, report);
    }
    let Some(vpcs) = &sight.vpcs else { return (VpcStep::Look, report) };
    let Some(vpc) = wish.find(vpcs) else { return (VpcStep::ReleaseFinalizer, report) };
    if vpc.state == "DELETED" {
        return (VpcStep::ReleaseFinalizer, report);
    }
    if vpc.state == "DELETING" {
        let running = Some(false);
        return rest(Pace::Building, Report { state: Some(vpc.state.clone()), running, ..report });
    }
    if let Some(words) = &sight.in_use {
        let message = format!(
            "VPC {} is not deleted yet: {words}. It goes when its last service has been deleted or moved elsewhere",
            wish.cidr
        );
        return rest(Pace::Building, about(vpc, Ready::Progressing, reason::IN_USE, message));
    }
    let step = if sight.object_is_live { VpcStep::Delete(vpc.id.clone()) } else { VpcStep::Look };
    (step, report)
}

fn rest(pace: Pace, report: Report) -> (VpcStep, Report) {
    (VpcStep::Rest(pace), report)
}

fn is_going(state: &str) -> bool {
    ["DELETING", "DELETED"].contains(&state)
}

fn about(vpc: &SeenVpc, ready: Ready, reason: &'static str, message: impl Into<String>) -> Report {
    Report {
        state: Some(vpc.state.clone()),
        initialized: true,
        running: Some(vpc.state == "ACTIVE"),
        ..Report::new(ready, reason, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn wish(status: &Value, deleting: bool) -> Wish {
        let object: ProjectVpc = serde_json::from_value(json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": "ProjectVPC",
            "metadata": {"name": "net", "finalizers": [names::FINALIZER],
                "deletionTimestamp": deleting.then_some("2026-01-01T00:00:00Z")},
            "spec": {"project": "p", "cloudName": "c", "networkCidr": "10.0.0.0/24"},
            "status": status,
        }))
        .unwrap();
        Wish::of(&object, Defaults::default())
    }

    fn sight(states: &[(&str, &str)]) -> Sight {
        let vpc = |(id, state): &(&str, &str)| SeenVpc {
            id: (*id).to_owned(),
            cloud: "c".to_owned(),
            cidr: "10.0.0.0/24".to_owned(),
            state: (*state).to_owned(),
        };
        Sight { vpcs: Some(states.iter().map(vpc).collect()), object_is_live: true, in_use: None }
    }

    fn step(known: &Value, vpcs: &[(&str, &str)]) -> VpcStep {
        decide(&wish(known, false), &sight(vpcs)).0
    }

    #[test]
    fn a_vpc_is_asked_for_only_after_that_was_written_down() {
        assert_eq!(step(&json!({}), &[]), VpcStep::NoteRequest);
        assert_eq!(step(&json!({"creationRequested": true}), &[]), VpcStep::Create);
        let from_cache = Sight { object_is_live: false, ..sight(&[]) };
        assert_eq!(decide(&wish(&json!({"creationRequested": true}), false), &from_cache).0, VpcStep::Look);
    }

    #[test]
    fn a_lost_answer_leads_to_the_vpc_and_a_strange_one_is_left_alone() {
        let requested = json!({"creationRequested": true});
        assert_eq!(step(&requested, &[("v", "APPROVED")]), VpcStep::NoteId("v".to_owned()));
        let (strange, report) = decide(&wish(&json!({}), false), &sight(&[("v", "ACTIVE")]));
        assert_eq!((strange, report.reason), (VpcStep::Rest(Pace::Attentive), reason::NOT_OWNED));
        assert_eq!(step(&json!({}), &[("v", "DELETING")]), VpcStep::NoteRequest);
    }

    #[test]
    fn it_is_followed_until_it_is_active() {
        let known = json!({"id": "v"});
        for (state, ready) in
            [("APPROVED", Ready::Progressing), ("ACTIVE", Ready::Yes), ("DELETED", Ready::Stuck)]
        {
            assert_eq!(decide(&wish(&known, false), &sight(&[("v", state)])).1.ready, ready, "{state}");
        }
        assert_eq!(decide(&wish(&known, false), &sight(&[])).1.reason, reason::EXTERNAL_MISSING);
    }

    #[test]
    fn only_a_vpc_that_is_known_to_be_this_objects_is_deleted() {
        let deletion = |status: &Value, states| decide(&wish(status, true), &sight(states)).0;
        assert_eq!(deletion(&json!({}), &[("v", "ACTIVE")]), VpcStep::ReleaseFinalizer);
        assert_eq!(deletion(&json!({"id": "v"}), &[("v", "ACTIVE")]), VpcStep::Delete("v".to_owned()));
        assert_eq!(deletion(&json!({"id": "v"}), &[("v", "DELETING")]), VpcStep::Rest(Pace::Building));
        assert_eq!(deletion(&json!({"id": "v"}), &[("w", "ACTIVE")]), VpcStep::ReleaseFinalizer);
        let (_, report) = decide(&wish(&json!({"id": "v"}), true), &sight(&[("v", "DELETING")]));
        assert_eq!((report.state.as_deref(), report.running), (Some("DELETING"), Some(false)));
        let requested = json!({"creationRequested": true});
        assert_eq!(deletion(&requested, &[("v", "ACTIVE")]), VpcStep::Delete("v".to_owned()));
        let refused = Sight { in_use: Some("services in it".to_owned()), ..sight(&[("v", "ACTIVE")]) };
        assert_eq!(decide(&wish(&json!({"id": "v"}), true), &refused).1.reason, reason::IN_USE);
    }
}
