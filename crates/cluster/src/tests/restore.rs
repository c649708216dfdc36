//! The first data of a cluster: from a backup or from a running server.

use super::{desired, model::Model};
use crate::{Observed, RestoreSeen, RestoreSource, Step, decide};
use serde_json::{Value, json};
use valkeeper_engine::Ready;

#[test]
fn cluster_from_a_backup_starts_with_the_instance_that_has_it() {
    for instances in [1, 3] {
        let bootstrap = json!({"backup": {"name": "one"}});
        let mut model = Model::new(desired(&json!({"instances": instances, "bootstrap": bootstrap})));
        model.settle();
        let at = |what: &str, is: fn(&Step) -> bool| {
            let found = model.steps.iter().position(is);
            found.unwrap_or_else(|| panic!("never: {what}"))
        };
        let restored = at("restored", is_restore);
        if instances > 1 {
            let promoted =
                at("promoted", |step| matches!(step, Step::Promote(name, ..) if name.as_str() == "c-0"));
            let second = at("second", |step| matches!(step, Step::CreatePod(1)));
            assert!(restored < promoted && promoted < second, "{restored} {promoted} {second}");
        }
        assert_eq!(model.steps.iter().filter(|step| is_restore(step)).count(), 1);
        assert_eq!(model.desired.status.restored.as_ref().unwrap().key, "key");
        let observed = model.observe();
        let report = decide(&model.desired, &observed).report;
        assert_eq!((report.ready, report.reason), (Ready::Yes, "Running"));
        assert!(model.pods.len() == usize::try_from(instances).unwrap());
    }
}

/// A cluster whose first pod was started.
fn with_first_pod(bootstrap: &Value) -> (Model, Observed) {
    let mut model = Model::new(desired(&json!({"bootstrap": bootstrap})));
    while !matches!(model.steps.last(), Some(Step::CreatePod(0))) {
        model.step();
    }
    model.pass();
    let observed = model.observe();
    (model, observed)
}

fn is_restore(step: &Step) -> bool {
    matches!(step, Step::Restore(0))
}

#[test]
fn server_is_taken_over_from_once_and_only_on_request() {
    let following = |cutting_over, waits_for: Option<&str>| {
        Some(RestoreSeen::Following { cutting_over, waits_for: waits_for.map(str::to_owned), copies: false })
    };
    for (wanted, cutting_over, waits_for, acts, says) in [
        (false, false, None, false, "c-0 follows old:6379 and has its data. Stop its clients"),
        (false, false, Some("all data"), false, "c-0 follows old:6379 and waits for all data."),
        (true, false, None, true, ""),
        (true, true, Some("its clients"), false, "c-0 takes over from old:6379 and waits for its clients."),
        (true, true, None, false, "c-0 takes over from old:6379."),
    ] {
        let server = json!({"host": "old", "cutOver": wanted});
        let (model, mut observed) = with_first_pod(&json!({"server": server}));
        // A Secret that is deleted meanwhile changes nothing.
        observed.restore_source = RestoreSource::Problem("Secret old does not exist.".to_owned());
        observed.instances.get_mut(&0).unwrap().restore = following(cutting_over, waits_for);
        let decision = decide(&model.desired, &observed);
        assert_eq!(is_restore(&decision.step), acts, "{wanted} {cutting_over}");
        if !acts {
            let report = decision.report;
            assert_eq!((report.ready, report.reason), (Ready::Progressing, "Importing"));
            assert!(report.message.starts_with(says), "{}", report.message);
        }
    }
}

#[test]
fn backup_that_cannot_be_restored_is_named_and_starts_nothing() {
    let failed = |passing| Some(RestoreSeen::Failed { passing, message: "the SHA-256 differs".to_owned() });
    let bootstrap = json!({"backup": {"name": "one"}});
    for (passing, backs_off, acts) in [(true, false, true), (true, true, false), (false, false, false)] {
        let (model, mut observed) = with_first_pod(&bootstrap);
        observed.restore_backs_off = backs_off;
        observed.instances.get_mut(&0).unwrap().restore = failed(passing);
        let decision = decide(&model.desired, &observed);
        assert_eq!(matches!(decision.step, Step::Restore(0)), acts, "{passing} {backs_off}");
        assert!(decision.report.message.contains("SHA-256"), "{}", decision.report.message);
        if !acts {
            assert_eq!((decision.report.ready, decision.report.reason), (Ready::Stuck, "RestoreFailed"));
        }
        observed.restore_source = RestoreSource::Problem("ValkeyBackup one does not exist.".to_owned());
        let report = decide(&model.desired, &observed).report;
        assert_eq!((report.reason, report.message.contains("ValkeyBackup one")), ("RestoreFailed", true));
    }
}
