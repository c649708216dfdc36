//! Single decisions, one table per concern.

use super::{desired, model::Model, resizes::Kubelet};
use crate::{
    Certificates, Decision, LeaseSeen, ObjectSeen, Observed, OwnedKind, Password, Problem, Step, decide,
};
use serde_json::{Value, json};
use valkeeper_engine::{ConnectionSecret, Ready};

/// A cluster that is at rest, changed a little.
fn decided(spec: &Value, change: impl FnOnce(&mut Model, &mut Observed)) -> Decision {
    let mut model = Model::new(desired(spec));
    // The user's own, if it is not to be made.
    model.password = spec.get("access").map(|_| 1);
    model.settle();
    let mut observed = model.observe();
    change(&mut model, &mut observed);
    decide(&model.desired, &observed)
}

#[test]
fn trouble_is_named_with_its_field_and_an_action() {
    type Change = fn(&mut Model, &mut Observed);
    let table: [(&str, Change, &str); 9] = [
        (
            "PasswordMissing",
            |_, observed| observed.password = Password::Missing("Secret p is missing".to_owned()),
            "Secret p",
        ),
        ("ObjectConflict", |_, observed| observed.authority = Certificates::Foreign, "Secret c-authority"),
        ("ObjectConflict", |_, observed| observed.lease = LeaseSeen::Foreign, "Lease c"),
        (
            "ObjectConflict",
            |_, observed| {
                let key = (OwnedKind::Service, "c-leader".to_owned());
                observed.objects.insert(key, ObjectSeen::Foreign);
            },
            "Service c-leader",
        ),
        (
            "SecretConflict",
            |_, observed| observed.secret = ConnectionSecret::Foreign { owner: "belongs to X".to_owned() },
            "spec.connInfoSecretTarget.name",
        ),
        (
            "Unschedulable",
            |_, observed| {
                let problem = Problem { unscheduled: true, text: "0/3 nodes".to_owned() };
                observed.pods.get_mut(&1).unwrap().problem = Some(problem);
            },
            "spec.placement",
        ),
        (
            "PodFailed",
            |_, observed| {
                let problem = Problem { unscheduled: false, text: "ImagePullBackOff: x".to_owned() };
                observed.pods.get_mut(&2).unwrap().problem = Some(problem);
            },
            "spec.image",
        ),
        ("DiskFailed", |_, observed| observed.instances.get_mut(&1).unwrap().writes_succeed = false, "c-1"),
        ("Paused", |model, _| model.desired.paused = true, "valkeeper.io/paused"),
    ];
    for (reason, change, part) in table {
        let access = json!({"access": {"passwordSecretRef": {"name": "p", "key": "k"}}});
        let decision = decided(&access, change);
        let report = decision.report;
        assert_eq!((report.reason, report.ready), (reason, Ready::Stuck), "{}", report.message);
        assert!(report.message.contains(part), "{}", report.message);
        assert!(matches!(decision.step, Step::Requeue(_)), "{reason}: {:?}", decision.step);
    }
}

#[test]
fn resource_that_is_stuck_still_fails_over() {
    for stuck in [(|model: &mut Model| model.desired.paused = true) as fn(&mut Model), |model| {
        model.desired.spec.version = "0".to_owned();
    }] {
        let decision = decided(&json!({}), |model, observed| {
            stuck(model);
            model.desired.violations = if model.desired.paused {
                Vec::new()
            } else {
                vec![valkeeper_api::Violation {
                    field: valkeeper_api::field_path::FieldPath::of(&["spec", "version"]),
                    value: String::new(),
                    rule: "is wrong".to_owned(),
                }]
            };
            // The primary was restarted: its earlier life has ended.
            let primary = observed.primary().unwrap().0;
            model.kill(primary);
            *observed = model.observe();
        });
        assert!(matches!(decision.step, Step::Hold(..)), "{:?}", decision.step);
    }
}

#[test]
fn password_of_the_user_is_never_made() {
    let missing = |_: &mut Model, observed: &mut Observed| {
        observed.password = Password::Missing("none".to_owned());
    };
    assert!(matches!(decided(&json!({}), missing).step, Step::CreatePassword));
    let access = json!({"access": {"passwordSecretRef": {"name": "p", "key": "k"}}});
    assert!(matches!(decided(&access, missing).step, Step::Requeue(_)));
}

#[test]
fn memory_of_a_server_leaves_room_for_what_is_not_data() {
    let table = [
        (json!({}), 75),
        (json!({"persistence": {"mode": "None"}}), 75),
        (json!({"persistence": {"mode": "Snapshot", "size": "1Gi"}}), 60),
        (json!({"memory": {"maxMemoryPercent": 50}}), 50),
    ];
    for (spec, percent) in table {
        let gibi = 1024 * 1024 * 1024;
        let expected = (gibi, percent, gibi / 100 * u64::try_from(percent).unwrap());
        assert_eq!(crate::max_memory(&desired(&spec)), expected, "{spec}");
    }
}

#[test]
fn operator_of_another_version_replaces_no_pod() {
    let mut model = Model::new(desired(&json!({})));
    model.settle();
    model.desired.defaults.manager_image = "manager:2".to_owned();
    let before = model.steps.len();
    for _ in 0..20 {
        assert!(!model.step(), "{:?}", &model.steps[before..]);
    }
}

#[test]
fn certificates_are_renewed_in_time() {
    let later = |_: &mut Model, observed: &mut Observed| observed.now += chrono::TimeDelta::days(61);
    assert!(matches!(decided(&json!({}), later).step, Step::IssueAuthority));
}

#[test]
fn only_one_pod_is_replaced_at_a_time_and_the_primary_last() {
    let mut model = Model::new(desired(&json!({"instances": 4})));
    for _ in 0..300 {
        if !model.step() {
            model.pass();
        }
    }
    "8.2".clone_into(&mut model.desired.spec.version);
    let first = model.steps.len();
    let primary = model.observe().primary().unwrap().0;
    for _ in 0..600 {
        if !model.step() {
            model.pass();
        }
        assert!(model.pods.values().filter(|pod| pod.seen.deleting).count() <= 1);
    }
    let deleted: Vec<u32> = model.steps[first..]
        .iter()
        .filter_map(|step| if let Step::DeletePod(ordinal, _) = step { Some(*ordinal) } else { None })
        .collect();
    assert_eq!(deleted.len(), 4);
    assert_eq!(deleted.last(), Some(&primary));
    let promotions = model.steps[first..].iter().filter(|step| matches!(step, Step::Promote(..))).count();
    assert_eq!(promotions, 1, "one switchover");
}

#[test]
fn claims_of_removed_instances_stay_unless_they_are_to_go() {
    for (policy, left) in [("Retain", 3), ("Delete", 1)] {
        let spec = json!({"persistence": {"mode": "Snapshot", "size": "1Gi", "whenDeleted": policy}});
        let mut model = Model::new(desired(&spec));
        let go = |model: &mut Model| {
            for _ in 0..300 {
                if !model.step() {
                    model.pass();
                }
            }
        };
        go(&mut model);
        model.desired.spec.instances = 1;
        go(&mut model);
        assert_eq!((model.pods.len(), model.claims.len()), (1, left), "{policy}");
    }
}

#[test]
fn server_takes_no_more_memory_than_its_container_has() {
    let mut model = Model::new(desired(&json!({})));
    model.settle();
    model.kubelet = Kubelet::IsOld;
    let first = model.steps.len();
    "4Gi".clone_into(&mut model.desired.spec.resources.memory);
    for _ in 0..400 {
        if !model.step() {
            model.pass();
        }
    }
    let at = |is_meant: fn(&Step) -> bool| model.steps[first..].iter().rposition(is_meant);
    let (deleted, reloaded) =
        (at(|step| matches!(step, Step::DeletePod(..))), at(|step| matches!(step, Step::Reload(..))));
    assert!(deleted.is_some() && reloaded > deleted, "{deleted:?} {reloaded:?}");
    let told = model.pods.values().map(|pod| pod.instance.as_ref().unwrap().max_memory.unwrap());
    assert!(told.min().unwrap() > 2 << 30);
}

#[test]
fn instance_that_may_start_alone_delays_the_lease() {
    let scaled_out = |change: fn(&mut Model, &mut Observed)| {
        decided(&json!({"instances": 1}), |model, observed| {
            model.desired.spec.instances = 3;
            change(model, observed);
        })
    };
    let unstarted = scaled_out(|_, observed| {
        observed.pods.get_mut(&0).unwrap().unstarted = true;
        observed.instances.clear();
        observed.view = None;
    });
    assert!(!matches!(unstarted.step, Step::CreateLease(_)), "{:?}", unstarted.step);
    let alone = scaled_out(|_, observed| {
        let instance = observed.instances.get_mut(&0).unwrap();
        assert!(instance.alone);
    });
    assert!(!matches!(alone.step, Step::CreateLease(_) | Step::Promote(..)), "{:?}", alone.step);
}
