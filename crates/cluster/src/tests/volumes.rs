//! Volumes that are to be larger.

use super::{convergence::start, model::Model};
use crate::{ClaimSeen, Observed, PodSeen, Step, bytes, decide};
use chrono::TimeDelta;
use serde_json::{Value, json};
use valkeeper_engine::Ready;

/// The drivers of the model: every second one enlarges volumes for another pod only.
impl Model {
    pub(super) fn create_claim(&mut self, ordinal: u32) {
        let (created, size) = (self.desired.created + 1, self.size());
        let claim = ClaimSeen { created, requested: size, capacity: size, ..ClaimSeen::default() };
        self.claims.insert(ordinal, claim);
    }

    pub(super) fn grow_claim(&mut self, ordinal: u32) {
        let (now, size) = (self.wall(), self.size());
        let in_use = self.pods.contains_key(&ordinal);
        let claim = self.claims.get_mut(&ordinal).unwrap();
        assert!(claim.requested < size, "no volume shrinks");
        claim.requested = size;
        if in_use && ordinal % 2 == 1 {
            claim.waits_for_pod_since = Some(now);
        } else {
            claim.capacity = size;
        }
    }

    /// Another pod begins to use the volume.
    pub(super) fn mount(&mut self, ordinal: u32) {
        if let Some(claim) = self.claims.get_mut(&ordinal) {
            (claim.capacity, claim.waits_for_pod_since) = (claim.requested, None);
        }
    }

    fn size(&self) -> u64 {
        self.desired.volume_size().map(bytes).unwrap_or_default()
    }
}

pub(super) fn with_volumes(instances: u32) -> Value {
    json!({"instances": instances, "persistence": {"mode": "AppendOnly", "size": "4Gi"}})
}

fn grow(model: &mut Model, size: &str) {
    model.desired.spec.persistence.as_mut().unwrap().size = Some(size.to_owned());
}

#[test]
fn volumes_grow_and_pods_are_replaced_where_drivers_wait() {
    let mut model = start(&with_volumes(3));
    let before: Vec<String> = model.pods.values().map(|pod| pod.seen.uid.clone()).collect();
    grow(&mut model, "8Gi");
    model.rest();
    assert!(model.claims.values().all(|claim| claim.capacity == 8 << 30), "{:?}", model.claims);
    let after: Vec<String> = model.pods.values().map(|pod| pod.seen.uid.clone()).collect();
    let replaced: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before != after).collect();
    assert_eq!(replaced, [false, true, false]);
}

#[test]
fn volumes_grow_while_no_server_runs() {
    let mut model = start(&with_volumes(2));
    model.desired.spec.powered = Some(false);
    grow(&mut model, "8Gi");
    for _ in 0..100 {
        model.step();
        model.pass();
    }
    assert!(model.pods.is_empty() && model.claims.values().all(|claim| claim.capacity == 8 << 30));
}

#[test]
fn refusal_is_said_and_stops_nothing_else() {
    let mut model = start(&with_volumes(3));
    grow(&mut model, "8Gi");
    let refused = |model: &Model| Observed {
        growth_refused: Some("the class does not allow it.".to_owned()),
        ..model.clone().observe()
    };
    let observed = model.observe();
    assert!(matches!(decide(&model.desired, &observed).step, Step::GrowClaim(0)));
    let report = decide(&model.desired, &refused(&model)).report;
    assert_eq!((report.ready, report.reason), (Ready::Stuck, "VolumeGrowthRefused"));
    assert!(
        report.message.contains("data-c-0: the class does not allow it. Correct that"),
        "{}",
        report.message
    );
    // Such as a change of the settings.
    model.desired.spec.config = Some([("timeout".to_owned(), "1".to_owned())].into());
    assert!(matches!(decide(&model.desired, &refused(&model)).step, Step::Apply(_)));
}

#[test]
fn claim_that_asks_for_more_than_declared_is_left() {
    let mut model = start(&with_volumes(1));
    let claim = model.claims.get_mut(&0).unwrap();
    (claim.requested, claim.capacity) = (16 << 30, 16 << 30);
    grow(&mut model, "8Gi");
    let observed = model.observe();
    assert!(matches!(decide(&model.desired, &observed).step, Step::Requeue(_)));
}

#[test]
fn refusal_hides_neither_a_failover_nor_a_last_backup() {
    let mut model = start(&with_volumes(3));
    grow(&mut model, "8Gi");
    let mut observed = Observed { growth_refused: Some("no".to_owned()), ..model.observe() };
    model.desired.awaits_final_backup = true;
    assert_ne!(decide(&model.desired, &observed).report.reason, "VolumeGrowthRefused");
    model.desired.awaits_final_backup = false;
    observed.instances.clear();
    assert!(observed.primary().is_none());
    assert_ne!(decide(&model.desired, &observed).report.reason, "VolumeGrowthRefused");
}

#[test]
fn claim_without_a_volume_is_not_changed() {
    let mut model = start(&with_volumes(3));
    grow(&mut model, "8Gi");
    for claim in model.claims.values_mut() {
        claim.capacity = 0;
    }
    let observed = model.observe();
    assert!(matches!(decide(&model.desired, &observed).step, Step::Requeue(_)));
}

#[test]
fn primary_replaced_after_approval_only_keeps_its_pod() {
    let mut spec = with_volumes(1);
    spec["update"] = json!({"primary": "Approve"});
    let mut model = start(&spec);
    grow(&mut model, "8Gi");
    let mut observed = model.observe();
    let claim = observed.claims.get_mut(&0).unwrap();
    (claim.requested, claim.waits_for_pod_since) = (8 << 30, Some(observed.now - TimeDelta::minutes(9)));
    observed.pods.get_mut(&0).unwrap().created = Some(observed.now - TimeDelta::hours(1));
    let decision = decide(&model.desired, &observed);
    assert!(matches!(decision.step, Step::Requeue(_)), "{:?}", decision.step);
    assert!(decision.report.message.contains("delete pod c-0"), "{}", decision.report.message);
}

#[test]
fn pod_is_replaced_once_for_a_driver_that_waits() {
    let mut model = start(&with_volumes(3));
    grow(&mut model, "8Gi");
    for claim in model.claims.values_mut() {
        (claim.requested, claim.capacity) = (8 << 30, 8 << 30);
    }
    let observed = model.observe();
    let now = observed.now;
    let deletes = |waited: TimeDelta, age: TimeDelta| {
        let mut observed = observed.clone();
        let claim = observed.claims.get_mut(&1).unwrap();
        (claim.capacity, claim.waits_for_pod_since) = (4 << 30, Some(now - waited));
        let pod = PodSeen { created: Some(now - age), ..observed.pods[&1].clone() };
        observed.pods.insert(1, pod);
        matches!(decide(&model.desired, &observed).step, Step::DeletePod(1, _))
    };
    let minutes = TimeDelta::minutes;
    assert!(!deletes(minutes(4), minutes(60)), "it may be about to happen");
    assert!(deletes(minutes(5), minutes(60)));
    assert!(!deletes(minutes(10), minutes(5)), "its successor has not helped");
}
