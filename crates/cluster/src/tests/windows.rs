//! Updates wait for their window, unless a server does not work or a user has approved them.

use super::{desired, model::Model};
use crate::{Observed, Step, decide, pod::revision};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use valkeeper_engine::Ready;

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

/// A cluster with this window whose servers all work, and wait for it because they are to have more memory.
fn outdated(window: &Value) -> (Model, Observed) {
    let mut model = Model::new(desired(&json!({"update": {"primary": "Automatic", "window": window}})));
    let settle = |model: &mut Model| {
        for _ in 0..200 {
            if !model.step() {
                model.pass();
            }
        }
    };
    settle(&mut model);
    model.desired.spec.resources.memory = "2Gi".to_owned();
    settle(&mut model);
    let observed = model.observe();
    (model, observed)
}

/// The pod that is replaced at this time, and what is said.
fn replaced(model: &Model, observed: &Observed, time: &str) -> (Option<u32>, &'static str, Ready, String) {
    let observed = Observed { now: at(time), ..observed.clone() };
    let decision = decide(&model.desired, &observed);
    let pod = match decision.step {
        Step::DeletePod(ordinal, _) => Some(ordinal),
        _ => None,
    };
    (pod, decision.report.reason, decision.report.ready, decision.report.message)
}

#[test]
fn servers_that_work_are_replaced_in_the_window() {
    // Night to Saturday, two hours from three o'clock, which is one o'clock in universal time. The model begins in 1970.
    let window = json!({"schedule": "0 3 * * 6", "duration": "2h", "timeZone": "Europe/Helsinki"});
    let (model, observed) = outdated(&window);
    for (time, is_open) in [
        ("1970-01-03T00:59:59Z", false),
        ("1970-01-03T01:00:00Z", true),
        ("1970-01-03T02:59:59Z", true),
        ("1970-01-03T03:00:00Z", false),
        ("1970-01-04T01:30:00Z", false),
    ] {
        let (pod, reason, ready, message) = replaced(&model, &observed, time);
        assert_eq!(pod.is_some(), is_open, "{time}: {message}");
        if !is_open {
            assert_eq!((reason, ready), ("UpdateScheduled", Ready::Yes), "{time}: {message}");
            assert!(message.contains("which begins at 1970-01-"), "{message}");
        }
    }
}

#[test]
fn update_that_is_approved_or_repairs_does_not_wait() {
    let (mut model, mut observed) = outdated(&json!({"schedule": "0 3 * * 6", "duration": "30m"}));
    let friday = "1970-01-02T12:00:00Z";
    assert_eq!(replaced(&model, &observed, friday).0, None);
    model.desired.approved = Some("another".to_owned());
    assert_eq!(replaced(&model, &observed, friday).0, None);
    model.desired.approved = Some(revision(&model.desired));
    assert!(replaced(&model, &observed, friday).0.is_some());
    model.desired.approved = None;
    let primary = observed.primary().unwrap().0;
    // Not the one that would be next.
    let broken = (0..3).find(|ordinal| *ordinal != primary).unwrap();
    observed.instances.remove(&broken);
    assert_eq!(replaced(&model, &observed, friday).0, Some(broken));
}
