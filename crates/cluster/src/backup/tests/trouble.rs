//! What is decided for a backup while something is wrong.

use super::{backup, cluster, look, proof};
use crate::backup::{
    BackupFacts, BackupStep, ObservedBackup, Progress, attempt_id, decide, next_status,
};
use serde_json::json;
use valkeeper_engine::Ready;

#[test]
fn first_verification_without_a_result_is_none() {
    let object = backup(&json!({"spec.verify": true}), &json!({"phase": "Verifying", "instance": "cache-1"}));
    let facts = BackupFacts { verified: Some(proof(false, true)), ..BackupFacts::default() };
    let observed = ObservedBackup { progress: Progress::Done(facts), ..look(&object, None) };
    let (step, report) = decide(&observed);
    assert_eq!((report.ready, report.phase, report.reason), (Ready::Stuck, "Completed", "VerificationPostponed"));
    let next = next_status(&observed, &step, &report);
    assert_eq!(next.verified, None, "nothing was found out");
    // What was said stays, until another verification has a result.
    let mut later = object.clone();
    later.status = Some(next);
    let (step, said) = decide(&look(&later, None));
    assert_eq!((step, &said), (BackupStep::Rest { soon: false }, &report));
    assert!(said.message.contains("3 instead of 4"), "{}", said.message);
}

#[test]
fn each_attempt_has_an_identity_of_its_own() {
    let status = cluster();
    let mut object = backup(&json!({}), &json!({}));
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let observed = look(&object, Some(&status));
        let (step, report) = decide(&observed);
        assert!(matches!(step, BackupStep::Assign(_)), "{step:?}");
        object.status = Some(next_status(&observed, &step, &report));
        // An instance keeps the answer to the attempt before.
        assert!(ids.insert(attempt_id(&object)));
        let progress = Progress::Failed { passing: true, message: "503".to_owned() };
        let observed = ObservedBackup { progress, ..look(&object, Some(&status)) };
        let (step, report) = decide(&observed);
        object.status = Some(next_status(&observed, &step, &report));
    }
    assert_eq!(object.status.unwrap().phase.as_deref(), Some("Failed"));
}
