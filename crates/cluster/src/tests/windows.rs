//! Updates wait for their window, unless a server does not work or a user has approved them.

use super::{desired, model::Model};
use crate::{
    Observed, Problem, RestoreSeen, Step, decide,
    pod::revision,
    rollout::{concern, settings_revision},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use valkeeper_engine::Ready;
use valkeeper_failover::protocol::Role;

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

/// A cluster with this window whose servers all work, and wait for it because they are to have another version.
fn outdated(window: &Value) -> (Model, Observed) {
    let mut model = Model::new(desired(&json!({"update": {"primary": "Automatic", "window": window}})));
    model.settle();
    model.desired.spec.version = "8.2".to_owned();
    model.settle();
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
    for pod in observed.pods.values_mut() {
        pod.ready = true;
    }
    // Not the one that would be next.
    let broken = (0..3).find(|ordinal| *ordinal != primary).unwrap();
    // The operator alone may not reach it.
    observed.instances.remove(&broken);
    assert_eq!(replaced(&model, &observed, friday).0, None);
    observed.pods.get_mut(&broken).unwrap().ready = false;
    assert_eq!(replaced(&model, &observed, friday).0, Some(broken));
    // Two of them do not wait for each other.
    let other = (0..3).find(|ordinal| ![primary, broken].contains(ordinal)).unwrap();
    observed.instances.remove(&other);
    observed.pods.get_mut(&other).unwrap().ready = false;
    assert!(replaced(&model, &observed, friday).0.is_some_and(|next| next != primary));
}

#[test]
fn approval_from_before_does_not_open_a_closed_window() {
    let (mut model, mut observed) = outdated(&json!({"schedule": "0 3 * * 6", "duration": "30m"}));
    // All pods are as declared, and have a directive that needs another start.
    let wanted = revision(&model.desired);
    for pod in observed.pods.values_mut() {
        pod.revision.clone_from(&wanted);
    }
    model.desired.approved = Some(wanted);
    for instance in observed.instances.values_mut() {
        instance.need_restart = vec!["databases".to_owned()];
        instance.settings = settings_revision(&model.desired, &Observed::default());
    }
    assert_eq!(replaced(&model, &observed, "1970-01-02T12:00:00Z").0, None);
    assert!(replaced(&model, &observed, "1970-01-03T03:10:00Z").0.is_some());
}

#[test]
fn server_that_keeps_ending_is_replaced_without_a_primary() {
    let (mut model, mut observed) = outdated(&json!({"schedule": "0 3 * * 6", "duration": "30m"}));
    model.desired.spec.update = None;
    observed.instances.clear();
    for pod in observed.pods.values_mut() {
        let text = "CrashLoopBackOff: OOMKilled".to_owned();
        (pod.ended, pod.ready, pod.problem) = (true, false, Some(Problem { unscheduled: false, text }));
    }
    let step = concern(&model.desired, &observed).step;
    assert!(matches!(step, Some(Step::DeletePod(2, _))), "{step:?}");
}

#[test]
fn pod_whose_server_does_not_run_is_replaced_without_a_primary() {
    let (mut model, mut observed) = outdated(&json!({"schedule": "0 3 * * 6", "duration": "30m"}));
    model.desired.spec.update = None;
    // Such as one that cannot read its data: its manager starts it again and again.
    for instance in observed.instances.values_mut() {
        (instance.host, instance.status.role) = (None, Role::Held);
    }
    let may_hang = concern(&model.desired, &with_pods(&observed, false)).step;
    assert!(may_hang.is_none(), "{may_hang:?}");
    for instance in observed.instances.values_mut() {
        (instance.status.role, instance.status.restarted) = (Role::Changing, true);
    }
    let calm = concern(&model.desired, &with_pods(&observed, true)).step;
    assert!(calm.is_none(), "{calm:?}");
    let mut observed = with_pods(&observed, false);
    let step = concern(&model.desired, &observed).step;
    assert!(matches!(step, Some(Step::DeletePod(2, _))), "{step:?}");
    // One that gets its first data has no server either.
    for instance in observed.instances.values_mut() {
        instance.restore = Some(RestoreSeen::Running);
    }
    let copies = concern(&model.desired, &observed).step;
    assert!(copies.is_none(), "{copies:?}");
}

fn with_pods(observed: &Observed, ready: bool) -> Observed {
    let mut observed = observed.clone();
    observed.pods.values_mut().for_each(|pod| pod.ready = ready);
    observed
}
