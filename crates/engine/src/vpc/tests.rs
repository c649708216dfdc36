//! Decisions about a `ProjectVPC` by table, and what holds whatever was observed.

use super::*;
use crate::{
    policies::Defaults,
    report::{Ready, Report},
    step::RequeueClass,
};
use chrono::DateTime;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use valkeeper_api::{
    ProjectVpcStatus,
    names::{self, reason},
};

fn desired(changes: &Value) -> DesiredVpc {
    let mut object = json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "ProjectVPC",
        "metadata": {"name": "net", "uid": "u", "generation": 2, "finalizers": [names::FINALIZER]},
        "spec": {"project": "p", "cloudName": "c", "networkCidr": "10.0.0.0/24", "authSecretRef": {"name": "t", "key": "k"}},
    });
    for (key, value) in changes["metadata"].as_object().into_iter().flatten() {
        object["metadata"][key] = value.clone();
    }
    object["status"] = changes["status"].clone();
    DesiredVpc::of(&serde_json::from_value(object).unwrap(), Defaults::default())
}

fn with_status(status: &Value) -> DesiredVpc {
    desired(&json!({"status": status}))
}

fn deleting(status: &Value) -> DesiredVpc {
    desired(&json!({"status": status, "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}))
}

fn vpc(id: &str, state: &str) -> SeenVpc {
    SeenVpc {
        id: id.to_owned(),
        cloud: "c".to_owned(),
        cidr: "10.0.0.0/24".to_owned(),
        state: state.to_owned(),
    }
}

/// A list with these, and no obstacle.
fn listed(vpcs: &[(&str, &str)]) -> ObservedVpc {
    ObservedVpc {
        vpcs: Some(vpcs.iter().map(|(id, state)| vpc(id, state)).collect()),
        claimed: Some(BTreeSet::new()),
        token_is_held: true,
        held_names: Some(BTreeSet::new()),
        object_is_live: true,
        ..ObservedVpc::default()
    }
}

fn certain(vpcs: &[(&str, &str)]) -> ObservedVpc {
    ObservedVpc { absence_is_certain: true, ..listed(vpcs) }
}

fn step(desired: &DesiredVpc, observed: &ObservedVpc) -> VpcStep {
    decide(desired, observed).0
}

fn noted_id(id: &str) -> VpcStep {
    VpcStep::Note(Note::Id(id.to_owned()))
}

#[test]
fn vpc_is_created_only_after_that_was_noted() {
    let (new, requested) = (with_status(&json!({})), with_status(&json!({"creationRequested": true})));
    assert_eq!(step(&new, &certain(&[])), VpcStep::Note(Note::Requested));
    assert_eq!(step(&requested, &certain(&[])), VpcStep::Create);
    let cached = ObservedVpc { object_is_live: false, ..certain(&[]) };
    assert_eq!(step(&requested, &cached), VpcStep::Observe(VpcTarget::Object));
    let unprotected = ObservedVpc { token_is_held: false, ..certain(&[]) };
    let note = |names: &str| VpcStep::Annotate([(names::TOKEN_SECRET, Some(names.to_owned()))].into());
    assert_eq!(step(&new, &unprotected), note("t"), "what is held is noted first");
    let noted = desired(&json!({"metadata": {"annotations": {names::TOKEN_SECRET: "t"}}}));
    assert_eq!(step(&noted, &unprotected), VpcStep::AddTokenFinalizer);
}

#[test]
fn unanswered_create_is_repeated_only_when_absence_is_certain() {
    let requested = with_status(&json!({"creationRequested": true}));
    assert_eq!(step(&requested, &listed(&[])), VpcStep::Requeue(RequeueClass::Building));
    assert_eq!(step(&requested, &listed(&[("v", "APPROVED")])), noted_id("v"));
    assert_eq!(step(&requested, &certain(&[])), VpcStep::Create);
}

#[test]
fn created_vpc_is_identified_only_among_unclaimed_vpcs() {
    let requested = with_status(&json!({"creationRequested": true}));
    let unread = ObservedVpc { claimed: None, ..listed(&[("v", "ACTIVE")]) };
    assert_eq!(step(&requested, &unread), VpcStep::Observe(VpcTarget::Claims));
    let answered = ObservedVpc { created: Some("w".to_owned()), ..unread };
    let answered = ObservedVpc { vpcs: Some(vec![vpc("v", "ACTIVE"), vpc("w", "APPROVED")]), ..answered };
    assert_eq!(step(&requested, &answered), noted_id("w"), "the answer of the create request is proof");
    let claimed = |vpcs| ObservedVpc { claimed: Some(["v".to_owned()].into()), ..listed(vpcs) };
    assert_eq!(step(&requested, &claimed(&[("v", "ACTIVE"), ("w", "APPROVED")])), noted_id("w"));
    let (theirs, report) = decide(&requested, &claimed(&[("v", "ACTIVE")]));
    assert_eq!(
        (theirs, report.reason),
        (VpcStep::Requeue(RequeueClass::AwaitingExternal), reason::NOT_OWNED)
    );
}

#[test]
fn unread_claims_prove_no_presence() {
    let requested = with_status(&json!({"creationRequested": true}));
    let unread = ObservedVpc { claimed: None, ..listed(&[("v", "ACTIVE")]) };
    let theirs = ObservedVpc { claimed: Some(["v".to_owned()].into()), ..unread.clone() };
    let mine = listed(&[("v", "ACTIVE")]);
    let presence = [&ObservedVpc::default(), &unread, &theirs, &mine].map(|seen| is_listed(&requested, seen));
    assert_eq!(presence, [None, None, Some(false), Some(true)]);
}

#[test]
fn vpc_of_another_owner_is_left_unchanged() {
    let new = with_status(&json!({}));
    let (step_taken, report) = decide(&new, &certain(&[("v", "ACTIVE")]));
    assert_eq!(
        (step_taken, report.reason),
        (VpcStep::Requeue(RequeueClass::AwaitingExternal), reason::NOT_OWNED)
    );
    assert_eq!(step(&new, &certain(&[("v", "DELETING")])), VpcStep::Note(Note::Requested));
    assert_eq!(step(&deleting(&json!({})), &listed(&[("v", "ACTIVE")])), VpcStep::ReleaseFinalizer);
}

#[test]
fn vpc_is_followed_until_it_is_active() {
    let known = |annotations: Value| {
        desired(&json!({"status": {"id": "v"}, "metadata": {"annotations": annotations}}))
    };
    let building = known(json!({names::GENERATION_PROCESSED: "2", names::TOKEN_SECRET: "t"}));
    let active = known(
        json!({names::GENERATION_PROCESSED: "2", names::INSTANCE_RUNNING: "true", names::TOKEN_SECRET: "t"}),
    );
    assert_eq!(step(&building, &listed(&[("v", "APPROVED")])), VpcStep::Requeue(RequeueClass::Building));
    assert_eq!(
        step(&active, &listed(&[("v", "ACTIVE")])),
        VpcStep::Requeue(RequeueClass::AwaitingSpecChange)
    );
    for (state, ready) in
        [("APPROVED", Ready::Progressing), ("ACTIVE", Ready::Yes), ("DELETED", Ready::Stuck)]
    {
        assert_eq!(decide(&active, &listed(&[("v", state)])).1.ready, ready, "{state}");
    }
}

#[test]
fn annotations_of_aiven_operator_follow_the_vpc() {
    let annotate = |pairs: &[(&'static str, Option<&str>)]| {
        let owned = |(key, value): &(&'static str, Option<&str>)| (*key, value.map(str::to_owned));
        VpcStep::Annotate(pairs.iter().map(owned).collect())
    };
    let known = |annotations: Value| {
        desired(&json!({"status": {"id": "v"}, "metadata": {"annotations": annotations}}))
    };
    let generation = (names::GENERATION_PROCESSED, Some("2"));
    assert_eq!(
        step(&known(json!({names::TOKEN_SECRET: "t"})), &listed(&[("v", "APPROVED")])),
        annotate(&[generation])
    );
    let edited = json!({names::GENERATION_PROCESSED: "1", names::INSTANCE_RUNNING: "true", names::TOKEN_SECRET: "old"});
    let edited = known(edited);
    let token = (names::TOKEN_SECRET, Some("t"));
    assert_eq!(step(&edited, &listed(&[("v", "ACTIVE")])), annotate(&[generation, token]));
    let unprotected = ObservedVpc { token_is_held: false, ..listed(&[("v", "ACTIVE")]) };
    assert_eq!(step(&edited, &unprotected), annotate(&[(names::TOKEN_SECRET, Some("t,old"))]));
    let both = known(
        json!({names::GENERATION_PROCESSED: "1", names::INSTANCE_RUNNING: "true", names::TOKEN_SECRET: "t,old"}),
    );
    assert_eq!(step(&both, &unprotected), VpcStep::AddTokenFinalizer, "the new Secret is protected first");
    let stopped = (names::INSTANCE_RUNNING, None);
    assert_eq!(step(&edited, &listed(&[("v", "APPROVED")])), annotate(&[generation, stopped, token]));
}

#[test]
fn missing_vpc_is_reported_only_when_absence_is_certain() {
    let fresh = with_status(&json!({"id": "v", "state": "APPROVED"}));
    let active = with_status(&json!({"id": "v", "state": "ACTIVE"}));
    let report = |desired: &DesiredVpc, observed: &ObservedVpc| {
        let report = decide(desired, observed).1;
        (report.ready, report.reason)
    };
    assert_eq!(report(&fresh, &listed(&[])), (Ready::Progressing, reason::BUILDING));
    assert_eq!(report(&active, &listed(&[])), (Ready::Unchanged, reason::EXTERNAL_MISSING));
    for known in [&fresh, &active] {
        assert_eq!(report(known, &certain(&[])), (Ready::Stuck, reason::EXTERNAL_MISSING));
    }
}

#[test]
fn only_the_vpc_of_the_resource_is_deleted() {
    let known = deleting(&json!({"id": "v"}));
    assert_eq!(step(&known, &listed(&[("w", "ACTIVE"), ("v", "ACTIVE")])), VpcStep::Delete("v".to_owned()));
    assert_eq!(step(&known, &listed(&[("v", "DELETING")])), VpcStep::Requeue(RequeueClass::Building));
    assert_eq!(step(&known, &listed(&[("v", "DELETED")])), VpcStep::ReleaseFinalizer);
    let report = decide(&known, &listed(&[("v", "DELETING")])).1;
    assert_eq!((report.state.as_deref(), report.running), (Some("DELETING"), Some(false)));
    let accepted = ObservedVpc { deletion_requested: true, ..listed(&[("v", "ACTIVE")]) };
    assert_eq!(step(&known, &accepted), VpcStep::Requeue(RequeueClass::Building), "the list lags");
    let refused = ObservedVpc { in_use: Some("services in it".to_owned()), ..listed(&[("v", "ACTIVE")]) };
    assert_eq!(decide(&known, &refused).1.reason, reason::IN_USE);
}

#[test]
fn deletion_during_a_create_leaves_no_vpc() {
    let requested = deleting(&json!({"creationRequested": true}));
    assert_eq!(
        step(&requested, &listed(&[])),
        VpcStep::Requeue(RequeueClass::Building),
        "the create may be under way"
    );
    assert_eq!(step(&requested, &listed(&[("v", "APPROVED")])), noted_id("v"));
    assert_eq!(step(&requested, &certain(&[])), VpcStep::ReleaseFinalizer);
    let known = deleting(&json!({"id": "v"}));
    assert_eq!(step(&known, &listed(&[])), VpcStep::Requeue(RequeueClass::Building), "the list may lag");
    assert_eq!(step(&known, &certain(&[])), VpcStep::ReleaseFinalizer);
}

#[test]
fn released_resource_needs_no_provider_read() {
    let releasing = desired(&json!({
        "status": {"id": "v"},
        "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "annotations": {names::SERVICE_SETTLED: "u"}},
    }));
    let unlisted = ObservedVpc { vpcs: None, ..listed(&[]) };
    assert_eq!(step(&releasing, &unlisted), VpcStep::ReleaseFinalizer);
}

/// Every status with which an object can be found.
fn statuses() -> Vec<Value> {
    let mut statuses = vec![];
    for id in [Value::Null, json!("v")] {
        for requested in [false, true] {
            for state in [Value::Null, json!("ACTIVE")] {
                statuses.push(json!({"id": id, "creationRequested": requested, "state": state}));
            }
        }
    }
    statuses
}

/// Everything that can be observed with one or two VPCs.
fn observations() -> Vec<ObservedVpc> {
    let lists: &[Option<&[(&str, &str)]>] = &[
        None,
        Some(&[]),
        Some(&[("v", "APPROVED")]),
        Some(&[("v", "ACTIVE")]),
        Some(&[("v", "DELETING")]),
        Some(&[("v", "DELETED")]),
        Some(&[("w", "ACTIVE")]),
        Some(&[("w", "ACTIVE"), ("v", "ACTIVE")]),
    ];
    let flags = 0..1_u32 << 7;
    let observed = |list: Option<&[(&str, &str)]>, flags: u32| {
        let flag = |bit: u32| flags & (1 << bit) != 0;
        ObservedVpc {
            vpcs: list.map(|list| list.iter().map(|(id, state)| vpc(id, state)).collect()),
            created: flag(0).then(|| "v".to_owned()),
            claimed: flag(1).then(|| if flag(2) { ["w".to_owned()].into() } else { BTreeSet::new() }),
            absence_is_certain: flag(3),
            token_is_held: flag(4),
            held_names: flag(4).then(BTreeSet::new),
            deletion_requested: flag(5),
            object_is_live: flag(6),
            in_use: None,
        }
    };
    lists.iter().copied().flat_map(|list| flags.clone().map(move |flags| observed(list, flags))).collect()
}

#[test]
fn nothing_irreversible_happens_without_proof() {
    for status in statuses() {
        for (desired, deletes) in [(with_status(&status), false), (deleting(&status), true)] {
            for observed in observations() {
                let step = step(&desired, &observed);
                let case = format!("{status} {observed:?}");
                let left = observed.vpcs.iter().flatten();
                let mine = left.filter(|vpc| Some(&vpc.id) == desired.id.as_ref() && vpc.state != "DELETED");
                match step {
                    VpcStep::Create => {
                        assert!(!deletes && desired.requested && desired.id.is_none(), "{case}");
                        assert!(observed.absence_is_certain && observed.token_is_held, "{case}");
                        assert!(observed.object_is_live, "{case}");
                    }
                    VpcStep::Delete(id) => {
                        assert!(deletes && observed.object_is_live && Some(id) == desired.id, "{case}");
                    }
                    VpcStep::ReleaseFinalizer => {
                        assert!(deletes && observed.object_is_live && mine.count() == 0, "{case}");
                        let asked = desired.requested || desired.id.is_some();
                        let deleted = observed.vpcs.iter().flatten().any(|vpc| vpc.state == "DELETED");
                        assert!(!asked || observed.absence_is_certain || deleted, "{case}");
                    }
                    VpcStep::Note(Note::Id(id)) => {
                        assert!(desired.requested || observed.created == Some(id), "{case}");
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn identifier_stays_whatever_is_noted_or_reported() {
    let known = ProjectVpcStatus { id: Some("v".to_owned()), ..ProjectVpcStatus::default() };
    for note in [Note::Requested, Note::Refused, Note::Id("w".to_owned())] {
        assert_eq!(noted(known.clone(), &note), known, "{note:?}");
    }
    let requested = noted(ProjectVpcStatus::default(), &Note::Requested);
    assert!(requested.creation_requested);
    let failure = Report::new(Ready::Stuck, reason::PROVIDER_REJECTED, "no");
    for before in [known, requested] {
        let after = reported(before.clone(), &failure, 1, DateTime::UNIX_EPOCH);
        assert_eq!((after.id, after.creation_requested), (before.id, before.creation_requested));
    }
}
