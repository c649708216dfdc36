//! A verification for which no instance has room.

use super::{asked_again, backup, cluster, look, proof};
use crate::{
    Defaults, Desired,
    backup::{
        BackupFacts, BackupReport, BackupStep, ObservedBackup, Progress, Proof, decide, next_status, own_pod,
        pod_memory, verifier,
    },
    verification_pod,
};
use serde_json::{Value, json};
use valkeeper_api::ValkeyBackup;
use valkeeper_engine::Ready;

const NEEDED: u64 = 5 << 30;

fn done(proof: Proof) -> Progress {
    Progress::Done(BackupFacts { verified: Some(proof), ..BackupFacts::default() })
}

fn without_room() -> Progress {
    done(Proof { needs_memory: Some(NEEDED), ..proof(false, true) })
}

/// A look at the backup, whose status is then what was decided.
fn step(object: &mut ValkeyBackup, progress: Progress) -> (BackupStep, BackupReport) {
    let status = cluster();
    let observed = ObservedBackup { progress, ..look(object, Some(&status)) };
    let (step, report) = decide(&observed);
    let next = next_status(&observed, &step, &report);
    object.status = Some(next);
    (step, report)
}

fn assigned(step: BackupStep) -> String {
    let BackupStep::AssignVerification(name) = step else { panic!("{step:?}") };
    name
}

#[test]
fn verification_without_room_goes_on_in_a_pod_of_its_own() {
    let taken = json!({"phase": "Running", "instance": "cache-1", "attempts": 1});
    let mut object = backup(&json!({"spec.verify": true}), &taken);
    let (found, report) = step(&mut object, without_room());
    assert_eq!((found, report.ready), (BackupStep::Rest { soon: true }, Ready::Progressing));
    assert_eq!(report.phase, "Completed", "it is stored");
    assert!(object.status.as_ref().unwrap().verified.is_none());
    let pod = assigned(step(&mut object, Progress::Unasked).0);
    assert!(pod.starts_with("cache-verify-"), "{pod}");
    assert_eq!((verifier(&object), pod_memory(&object)), (Some(pod.as_str()), Some(NEEDED)));
    assert_eq!(step(&mut object, Progress::Unknown).0, BackupStep::BeginVerification);
    let (found, report) = step(&mut object, Progress::Running);
    assert_eq!((found, report.ready), (BackupStep::Rest { soon: true }, Ready::Progressing));
    let (found, _) = step(&mut object, done(proof(true, false)));
    assert_eq!(found, BackupStep::Conclude(proof(true, false)));
    let (found, report) = step(&mut object, Progress::Unasked);
    assert_eq!((found, report.ready), (BackupStep::Rest { soon: false }, Ready::Yes));
    let status = object.status.unwrap();
    assert!(status.verified.unwrap().request.is_none() && status.verification.is_none());
}

#[test]
fn pod_without_a_result_is_followed_by_another_one() {
    let taken = json!({"phase": "Running", "instance": "cache-1", "attempts": 1});
    let mut object = backup(&json!({"spec.verify": true}), &taken);
    step(&mut object, without_room());
    let first = assigned(step(&mut object, Progress::Unasked).0);
    step(&mut object, Progress::Running);
    let refused = Progress::Failed { passing: true, message: "A quota.".to_owned() };
    let (found, _) = step(&mut object, refused);
    assert_eq!(found, BackupStep::Postpone("A quota.".to_owned()));
    let status = cluster();
    let (found, report) = decide(&ObservedBackup { backs_off: true, ..look(&object, Some(&status)) });
    assert_eq!((found, report.ready), (BackupStep::Rest { soon: false }, Ready::Progressing));
    assert!(report.message.contains("A quota. The operator retries automatically."), "{}", report.message);
    let (found, again) = step(&mut object, Progress::Unasked);
    assert_ne!(first, assigned(found), "a pod that is ending has the name of the first");
    assert_eq!(pod_memory(&object), Some(NEEDED));
    // Attempts are no news until one has a result.
    step(&mut object, Progress::Unknown);
    assert_eq!((again.reason, step(&mut object, Progress::Running).1.reason), (report.reason, report.reason));
}

#[test]
fn pod_that_had_too_little_memory_is_followed_by_a_larger_one() {
    let taken = json!({"phase": "Running", "instance": "cache-1", "attempts": 1});
    let mut object = backup(&json!({"spec.verify": true}), &taken);
    step(&mut object, without_room());
    step(&mut object, Progress::Unasked);
    let more = NEEDED / 2 * 3;
    step(&mut object, done(Proof { needs_memory: Some(more), ..proof(false, true) }));
    assert_eq!(pod_memory(&object), Some(more));
}

#[test]
fn pod_of_a_request_that_was_withdrawn_is_known() {
    let begun = json!({"request": "old", "instance": "cache-verify-1", "attempts": 1, "podMemoryBytes": 7});
    let mut object = asked_again(&begun);
    let pod = |object: &ValkeyBackup| own_pod(object.status.as_ref().unwrap()).map(str::to_owned);
    assert_eq!(pod(&object).as_deref(), Some("cache-verify-1"));
    assert_eq!((verifier(&object), pod_memory(&object)), (None, None));
    step(&mut object, Progress::Unasked);
    assert_eq!(pod(&object), None, "it is deleted now");
}

#[test]
fn empty_request_asks_for_nothing() {
    let status = json!({"phase": "Completed", "key": "k", "sizeBytes": 7});
    let mut object = backup(&json!({"metadata.annotations": {"valkeeper.io/verify": ""}}), &status);
    assert_eq!(step(&mut object, Progress::Unasked).0, BackupStep::Rest { soon: false });
}

#[test]
fn requested_verification_without_room_keeps_its_request() {
    let begun = json!({"request": "new", "instance": "cache-1", "attempts": 1, "begun": true});
    let mut object = asked_again(&begun);
    let (found, report) = step(&mut object, without_room());
    assert!(matches!(found, BackupStep::Postpone(_)) && report.ready == Ready::Yes);
    let known = object.status.as_ref().unwrap().verification.as_ref();
    assert!(known.unwrap().message.is_none(), "it goes on");
    assert_eq!(pod_memory(&object), Some(NEEDED));
    assigned(step(&mut object, Progress::Unasked).0);
    step(&mut object, done(proof(true, false)));
    assert_eq!(object.status.unwrap().verified.unwrap().request.as_deref(), Some("new"));
    // Another request is another question, which an instance may have room for.
    let mut object = asked_again(&json!({"request": "old", "attempts": 1, "podMemoryBytes": 7}));
    assert_eq!(assigned(step(&mut object, Progress::Unasked).0), "cache-1");
}

fn rendered(spec: &Value) -> Value {
    let object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyCluster",
        "metadata": {"name": "cache", "namespace": "team", "uid": "u"}, "spec": spec,
    });
    let desired =
        Desired::of(&serde_json::from_value(object).unwrap(), Defaults { manager_image: "m:1".to_owned() });
    let verification = verification_pod::Verification {
        name: "cache-verify-1",
        order: "{}".to_owned(),
        credentials: Some("keys"),
        encryption: None,
        memory: NEEDED,
        storage: 7,
    };
    verification_pod::render(&desired, &backup(&json!({}), &json!({})), &verification)
}

#[test]
fn pod_of_its_own_is_no_instance_of_the_cluster() {
    let pod = rendered(&json!({
        "version": "8", "instances": 3, "resources": {"memory": "1Gi"}, "imagePullSecrets": [{"name": "registry"}],
        "placement": {"hosts": "Required", "nodeSelector": {"pool": "big"}},
        "backupVolume": {"claimName": "nfs"},
    }));
    let spec = &pod["spec"];
    let container = &spec["containers"][0];
    assert_eq!(container["resources"]["limits"]["memory"], NEEDED.to_string());
    assert_eq!(container["resources"]["requests"]["memory"], NEEDED.to_string());
    assert_eq!(spec["nodeSelector"]["pool"], "big");
    assert_eq!(spec["imagePullSecrets"][0]["name"], "registry");
    assert_eq!(
        (&spec["restartPolicy"], &spec["automountServiceAccountToken"]),
        (&json!("Never"), &json!(false))
    );
    // No Service, budget or spread counts it.
    assert!(pod["metadata"]["labels"].get("valkeeper.io/cluster").is_none());
    assert!(spec.get("topologySpreadConstraints").is_none());
    assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ValkeyBackup");
    let volumes: Vec<_> = spec["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]).collect();
    assert_eq!(volumes, ["data", "program", "run", "credentials", "backups"]);
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert_eq!(mounts.len(), volumes.len(), "{mounts:?}");
}
