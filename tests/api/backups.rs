//! `ValkeyBackup` and `ValkeyScheduledBackup`: wrong manifests judged three ways, what may be changed later, the examples,
//! and the reference pages.

use serde_json::{Value, json};
use valkeeper::cli::validate::Report;
use valkeeper_api::{
    ValkeyBackup, ValkeyScheduledBackup, Violation, crd, valkey_backup, valkey_scheduled_backup,
};

use crate::server::{Place, Server};

on_both_servers!(
    api_server_refuses_the_same_backups,
    api_server_refuses_forbidden_changes_of_backups,
    examples_of_backups_are_accepted
);

const BACKUP: &str = include_str!("../../examples/self-hosted/backup.yaml");
const SCHEDULE: &str = include_str!("../../examples/self-hosted/scheduled-backup.yaml");
const GOOGLE: &str = include_str!("../../examples/self-hosted/backup-in-google-cloud-storage.yaml");
const AZURE: &str = include_str!("../../examples/self-hosted/backup-in-azure.yaml");
const VOLUME: &str = include_str!("../../examples/self-hosted/backup-in-a-volume.yaml");
const TRIAL: &str = include_str!("../../examples/self-hosted/scheduled-backup-of-a-test.yaml");

/// An example with another value at this path of the spec; null removes it.
fn changed(example: &str, path: &str, value: &Value) -> Value {
    let mut manifest: Value = serde_yaml::from_str(example).unwrap();
    let (parent, field) = path.rsplit_once('/').unwrap();
    let parent = manifest.pointer_mut(&format!("/spec{parent}")).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(field);
    } else {
        parent.insert(field.to_owned(), value.clone());
    }
    manifest
}

/// The path of a change, the value, the rule that it breaks, and whether the API server leaves it to the operator.
fn wrong() -> Vec<(&'static str, &'static str, Value, &'static str, bool)> {
    let both = [
        ("/clusterName", json!(null), "is required"),
        ("/clusterName", json!(""), "must not be empty"),
        ("/destination", json!(null), "is required"),
        ("/destination", json!({}), "exactly one of s3, gcs, azure and volume"),
        ("/destination", two_stores(), "exactly one of s3, gcs, azure and volume"),
        ("/destination/s3/bucket", json!("Upper"), "must match"),
        ("/destination/s3/bucket", json!("ab"), "must match"),
        ("/destination/s3/prefix", json!("/a"), "must match"),
        ("/destination/s3/prefix", json!("a//b"), "must match"),
        ("/destination/s3/endpoint", json!("minio:9000"), "must match"),
        ("/destination/s3/endpoint", json!("https://user:word@host"), "must match"),
        ("/destination/s3/region", json!("a b"), "must match"),
        ("/destination/s3", json!({"bucket": "abc"}), "exactly one of credentialsSecretName and"),
        ("/destination/s3", both_ways("bucket"), "exactly one of credentialsSecretName and"),
        ("/destination/gs", json!({}), "unknown field"),
        ("/destination/encryption", json!("key"), "must be"),
        ("/maxBytesPerSecond", json!("512Ki"), "must match"),
        ("/verify", json!("yes"), "must be"),
    ];
    let only = [
        (BACKUP, "/deletionPolicy", json!("Orphan"), "must be one of", false),
        (SCHEDULE, "/schedule", json!("every day"), "must be five fields of cron", true),
        (SCHEDULE, "/schedule", json!("0 0 30 2 *"), "never due", true),
        (SCHEDULE, "/schedule", json!("* * *"), "must", false),
        (SCHEDULE, "/timeZone", json!("Mars/Olympus"), "must be a time zone", true),
        (SCHEDULE, "/retention/keepFor", json!("2w"), "must match", false),
        (SCHEDULE, "/verifyEvery", json!("30m"), "must match", false),
        (SCHEDULE, "/verifyEvery", json!("0d"), "must match", false),
        (SCHEDULE, "/whenClusterDeleted", json!("Retain"), "must be one of", false),
        (SCHEDULE, "/retention/keepLast", json!(0), "at least 1", false),
    ];
    let stores = [
        (GOOGLE, "/destination/gcs/bucket", json!("Upper"), "must match", false),
        (GOOGLE, "/destination/gcs/bucket", json!("a".repeat(223)), "at most 222", false),
        (GOOGLE, "/destination/gcs/region", json!("eu"), "unknown field", false),
        (GOOGLE, "/destination/gcs", json!({"bucket": "abc"}), "exactly one of credentials", false),
        (GOOGLE, "/destination/gcs", both_ways("bucket"), "exactly one of credentials", false),
        (AZURE, "/destination/azure", both_ways("container"), "exactly one of credentials", false),
        (VOLUME, "/destination/volume/claimName", json!(""), "must not be empty", false),
        (VOLUME, "/destination/volume/claimName", json!(null), "is required", false),
        (VOLUME, "/destination/volume/prefix", json!("/etc"), "must match", false),
        (VOLUME, "/destination/volume/workloadIdentity", json!(true), "unknown field", false),
        (AZURE, "/destination/azure/account", json!("with-hyphen"), "must match", false),
        (AZURE, "/destination/azure/container", json!("two--hyphens"), "must match", false),
        (AZURE, "/destination/azure/container", json!("ab"), "must match", false),
        (AZURE, "/destination/azure/container", json!(null), "is required", false),
        (AZURE, "/destination/azure/endpoint", json!("ftp://host"), "must match", false),
        (AZURE, "/destination/azure/credentialsSecretName", json!(""), "must not be empty", false),
    ];
    let both = both.into_iter().flat_map(|(path, value, rule)| {
        [BACKUP, SCHEDULE].map(|example| (example, path, value.clone(), rule, false))
    });
    both.chain(only).chain(stores).collect()
}

/// A store with a Secret and with an identity, and its name under this field.
fn both_ways(field: &str) -> Value {
    json!({field: "abc", "account": "abc", "credentialsSecretName": "s", "workloadIdentity": true})
}

fn two_stores() -> Value {
    json!({
        "s3": {"bucket": "example-backups", "credentialsSecretName": "s3"},
        "gcs": {"bucket": "example-backups", "credentialsSecretName": "gcs"},
    })
}

fn is_backup(example: &str) -> bool {
    [BACKUP, GOOGLE, AZURE, VOLUME].contains(&example)
}

fn judged(example: &str, manifest: &Value) -> Vec<Violation> {
    if is_backup(example) {
        valkey_backup::manifest_violations(manifest)
    } else {
        valkey_scheduled_backup::manifest_violations(manifest)
    }
}

/// What the operator says of a stored object; none where it cannot be decoded.
fn operated(example: &str, manifest: &Value) -> Option<Vec<Violation>> {
    if is_backup(example) {
        let object: ValkeyBackup = serde_json::from_value(manifest.clone()).ok()?;
        Some(valkey_backup::violations(&object))
    } else {
        let object: ValkeyScheduledBackup = serde_json::from_value(manifest.clone()).ok()?;
        Some(valkey_scheduled_backup::violations(&object))
    }
}

#[test]
fn command_and_operator_name_field_and_rule_of_a_backup() {
    for (example, path, value, rule, _) in wrong() {
        let manifest = changed(example, path, &value);
        let field = format!("spec{}", path.replace('/', "."));
        let names = |found: &[Violation]| {
            found.iter().any(|found| found.field.to_string() == field && found.rule.contains(rule))
        };
        let found = judged(example, &manifest);
        assert!(names(&found), "{path} {value}: {found:?}");
        if rule != "unknown field"
            && let Some(found) = operated(example, &manifest)
        {
            assert!(names(&found), "{path} {value}: {found:?}");
        }
    }
    for name in ["Upper", &"a".repeat(46)] {
        let mut manifest: Value = serde_yaml::from_str(SCHEDULE).unwrap();
        manifest["metadata"]["name"] = name.into();
        assert!(!judged(SCHEDULE, &manifest).is_empty(), "{name}");
    }
}

async fn server_with_backups(place: Place) -> Option<Server> {
    let server = Server::bare(place).await?;
    server.install(crd::valkey_backup()).await;
    server.install(crd::valkey_scheduled_backup()).await;
    Some(server)
}

fn plural(example: &str) -> &'static str {
    if is_backup(example) { "valkeybackups" } else { "valkeyscheduledbackups" }
}

async fn api_server_refuses_the_same_backups(place: Place) {
    let Some(server) = server_with_backups(place).await else { return };
    for (example, path, value, _, is_left_to_the_operator) in wrong() {
        let judged = server.judge_own(plural(example), &changed(example, path, &value)).await;
        assert_eq!(judged.is_ok(), is_left_to_the_operator, "{path} {value}: {judged:?}");
    }
    let mut manifest: Value = serde_yaml::from_str(SCHEDULE).unwrap();
    manifest["metadata"]["name"] = "a".repeat(46).into();
    server.judge_own(plural(SCHEDULE), &manifest).await.unwrap_err();
}

async fn api_server_refuses_forbidden_changes_of_backups(place: Place) {
    let Some(server) = server_with_backups(place).await else { return };
    for example in [BACKUP, SCHEDULE] {
        server.put_own(plural(example), None, &serde_yaml::from_str(example).unwrap()).await.unwrap();
    }
    let (backup, schedule) = ("orders-before-upgrade", "orders-nightly");
    let table = [
        (BACKUP, backup, json!({"clusterName": "other"}), false),
        (BACKUP, backup, json!({"verify": false}), false),
        (BACKUP, backup, json!({"destination": {"s3": {"bucket": "other-bucket"}}}), false),
        (BACKUP, backup, json!({"destination": two_stores()}), false),
        (BACKUP, backup, json!({"deletionPolicy": "Delete"}), true),
        (SCHEDULE, schedule, json!({"clusterName": "other"}), false),
        (SCHEDULE, schedule, json!({"destination": {"s3": null}}), false),
        (SCHEDULE, schedule, json!({"destination": {"s3": null, "gcs": two_stores()["gcs"]}}), true),
        (SCHEDULE, schedule, json!({"schedule": "0 4 * * *", "suspend": true}), true),
    ];
    for (example, name, change, is_accepted) in table {
        let changed = server.put_own(plural(example), Some(name), &json!({"spec": change})).await;
        assert_eq!(changed.is_ok(), is_accepted, "{change}: {changed:?}");
    }
}

async fn examples_of_backups_are_accepted(place: Place) {
    let Some(server) = server_with_backups(place).await else { return };
    for example in [BACKUP, GOOGLE, AZURE, SCHEDULE, TRIAL] {
        let manifest: Value = serde_yaml::from_str(example).unwrap();
        let stored = server.judge_own(plural(example), &manifest).await.unwrap();
        assert_eq!(operated(example, &stored), Some(Vec::new()));
        let mut report = Report::default();
        report.judge("-", example);
        assert_eq!((report.judged, report.findings.len()), (1, 0), "{:?}", report.findings);
    }
}

#[test]
fn every_field_of_backups_is_on_its_page() {
    let pages = [
        (include_str!("../../docs/reference/valkeybackup.md"), crd::valkey_backup_schema()),
        (
            include_str!("../../docs/reference/valkeyscheduledbackup.md"),
            crd::valkey_scheduled_backup_schema(),
        ),
    ];
    for (page, schema) in pages {
        let schema = serde_json::to_value(schema).unwrap();
        let mut open = vec![
            ("spec".to_owned(), &schema["properties"]["spec"]),
            ("status".to_owned(), &schema["properties"]["status"]),
        ];
        while let Some((path, schema)) = open.pop() {
            let object = if schema["type"] == "array" { &schema["items"] } else { schema };
            for (name, field) in object["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                assert!(page.contains(&format!("<a id=\"{path}\"></a>")), "{path}");
                open.push((path, field));
            }
        }
    }
}
