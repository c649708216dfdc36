//! Settings that have changed, and values that no server takes.

use super::{convergence::start, model::Model};
use crate::{Observed, Step, decide};
use serde_json::json;
use valkeeper_engine::Ready;

fn at_rest() -> (Model, Observed) {
    let mut model = start(&json!({"instances": 3}));
    let observed = model.observe();
    (model, observed)
}

#[test]
fn value_that_no_server_takes_is_named_and_replaces_no_pod() {
    let (model, mut observed) = at_rest();
    for instance in observed.instances.values_mut() {
        instance.refused = vec!["timeout: argument must be an integer".to_owned()];
    }
    // Nor is one that another change asks for: its successor would not start.
    for pod in observed.pods.values_mut() {
        (pod.revision, pod.revision_without_resources) = ("of before".to_owned(), "of before".to_owned());
    }
    let decision = decide(&model.desired, &observed);
    assert!(matches!(decision.step, Step::Requeue(_)), "{:?}", decision.step);
    assert_eq!((decision.report.ready, decision.report.reason), (Ready::Stuck, "SettingRefused"));
    assert!(decision.report.message.contains("timeout: argument must be an integer"));
}

#[test]
fn memory_is_not_lowered_below_what_the_data_needs() {
    for (used, policy, before, holds) in [
        (900, "noeviction", 1000, true),
        (700, "noeviction", 1000, false),
        (900, "allkeys-lru", 1000, false),
        // It is as it was.
        (900, "noeviction", 767, false),
    ] {
        let (mut model, mut observed) = at_rest();
        model.desired.spec.memory = serde_json::from_value(json!({"policy": policy})).unwrap();
        for instance in observed.instances.values_mut() {
            (instance.used_memory, instance.max_memory) = (Some(used << 20), Some(before << 20));
            instance.settings = "of before".to_owned();
        }
        let decision = decide(&model.desired, &observed);
        assert_eq!(decision.report.reason == "MemoryTooSmall", holds, "{used} {policy} {before}");
        let is_passed_on = !matches!(decision.step, Step::Requeue(_));
        assert_eq!(is_passed_on, !holds, "{used} {policy} {before}: {:?}", decision.step);
    }
}
