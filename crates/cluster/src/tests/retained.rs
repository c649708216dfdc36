//! Volumes that have data of before: of instances that are no longer asked for, and of an earlier cluster.

use super::{convergence::start, desired, model::Model, volumes::with_volumes};
use crate::{ClaimSeen, RestoreSeen, Step, decide};
use serde_json::json;

/// Where in the steps the first of these is.
fn place(model: &Model, what: &str, is: impl Fn(&Step) -> bool) -> usize {
    model.steps.iter().position(is).unwrap_or_else(|| panic!("never: {what}"))
}

#[test]
fn fewer_instances_while_powered_off_wait_for_an_election() {
    let mut model = start(&with_volumes(3));
    assert_eq!(model.desired.status.members, Some(3));
    model.desired.spec.powered = Some(false);
    model.rest();
    assert!(model.pods.is_empty());
    model.desired.spec.instances = 1;
    model.steps.clear();
    model.desired.spec.powered = Some(true);
    model.rest();
    let promoted = place(&model, "promoted", |step| matches!(step, Step::Promote(..)));
    for ordinal in 0..3 {
        let created =
            place(&model, "created", |step| matches!(step, Step::CreatePod(found) if *found == ordinal));
        assert!(created < promoted, "{ordinal} may have the latest data");
    }
    assert_eq!(model.pods.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(model.desired.status.members, Some(1));
}

#[test]
fn volumes_of_an_earlier_cluster_are_all_looked_at() {
    let with_backup = json!({"backup": {"name": "one"}});
    for (instances, bootstrap) in [(3, None), (1, None), (3, Some(with_backup))] {
        let mut spec = with_volumes(instances);
        if let Some(bootstrap) = bootstrap {
            spec["bootstrap"] = bootstrap;
        }
        let mut model = Model::new(desired(&spec));
        for ordinal in 0..3 {
            let created = model.desired.created - 1;
            model.claims.insert(ordinal, ClaimSeen { created, requested: 4 << 30, ..ClaimSeen::default() });
        }
        while model.pods.len() < 3 {
            assert!(model.step(), "{spec}: {:?}", model.pods.keys());
        }
        if model.desired.spec.bootstrap.is_some() {
            continue;
        }
        model.rest();
        // No instance has accepted writes on its own.
        place(&model, "promoted", |step| matches!(step, Step::Promote(..)));
        assert_eq!(model.pods.len(), usize::try_from(instances).unwrap());
    }
}

#[test]
fn backup_is_not_fetched_beside_volumes_of_an_earlier_cluster() {
    let mut spec = with_volumes(3);
    spec["bootstrap"] = json!({"backup": {"name": "one"}});
    let mut model = start(&spec);
    model.desired.status.restored = None;
    let mut observed = model.observe();
    observed.instances.get_mut(&0).unwrap().restore = Some(RestoreSeen::Waiting);
    assert!(matches!(decide(&model.desired, &observed).step, Step::Restore(0)));
    observed.claims.get_mut(&1).unwrap().created = model.desired.created - 1;
    let decision = decide(&model.desired, &observed);
    assert!(!matches!(decision.step, Step::Restore(_)), "{:?}", decision.step);
    assert_eq!(decision.report.reason, "RestoreFailed");
    assert!(decision.report.message.contains("Delete these claims"), "{}", decision.report.message);
}

#[test]
fn data_that_was_there_is_not_called_a_backup() {
    let mut model = Model::new(desired(&json!({"instances": 1, "bootstrap": {"backup": {"name": "one"}}})));
    model.settle();
    model.desired.status.restored = None;
    let mut observed = model.observe();
    observed.instances.get_mut(&0).unwrap().restore = Some(RestoreSeen::HadData);
    let report = decide(&model.desired, &observed).report;
    let status = crate::next_status(&model.desired, &observed, &report, None, observed.now);
    assert_eq!(status.restored.unwrap().key, "data-c-0");
}

#[test]
fn lost_volume_of_a_pod_that_waits_is_recreated() {
    let mut model = start(&with_volumes(3));
    let mut observed = model.observe();
    observed.claims.remove(&1);
    let next = |observed: &crate::Observed| decide(&model.desired, observed).step;
    assert!(!matches!(next(&observed), Step::CreateClaim(_)), "a server runs with it");
    let pod = observed.pods.get_mut(&1).unwrap();
    (pod.unstarted, pod.ready) = (true, false);
    observed.instances.remove(&1);
    assert!(matches!(next(&observed), Step::CreateClaim(1)), "{:?}", next(&observed));
}
