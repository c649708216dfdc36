//! What the tables show.

use super::*;
use serde_json::json;
use valkeeper_api::Kind;

fn valkey(status: Value) -> Resource {
    let mut object = json!({"metadata": {"name": "cache", "namespace": "shop"}});
    object["status"] = status;
    Resource { kind: Kind::Valkey, object }
}

fn backup(name: &str, more: Value) -> ValkeyBackup {
    let mut object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyBackup",
        "metadata": {"name": name, "labels": {SCHEDULE: "nightly"}},
        "spec": {
            "clusterName": "cache",
            "destination": {"s3": {"bucket": "backups", "prefix": "team", "credentialsSecretName": "s3"}},
        },
    });
    object["status"] = more;
    serde_json::from_value(object).unwrap()
}

fn completed(day: u32, verified: &Value) -> ValkeyBackup {
    let status = json!({
        "phase": "Completed", "startedAt": format!("2026-01-{day:02}T03:00:00Z"), "key": format!("k{day}"),
        "completedAt": format!("2026-01-{day:02}T03:01:00Z"), "sizeBytes": 1_610_612_736_i64, "verified": verified,
    });
    backup(&format!("nightly-{day}"), status)
}

fn nightly(retention: Value) -> ValkeyScheduledBackup {
    let mut object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyScheduledBackup", "metadata": {"name": "nightly"},
        "spec": {
            "clusterName": "cache", "schedule": "0 3 * * *",
            "destination": {"s3": {"bucket": "backups", "credentialsSecretName": "s3"}},
        },
    });
    object["spec"]["retention"] = retention;
    serde_json::from_value(object).unwrap()
}

#[test]
fn backups_of_a_service_are_those_of_its_status() {
    let list = of_service(&valkey(json!({"backups": [
        {"name": "backup-20260102", "time": "2026-01-02T03:00:00.123456Z", "sizeBytes": 1536},
        {"name": "b", "sizeBytes": 7},
        {"name": "odd", "time": "yesterday"},
    ]})));
    let text = "\
NAME             TAKEN AT              SIZE
backup-20260102  2026-01-02T03:00:00Z  1.5 KiB
b                -                     7 B
odd              yesterday             -
";
    assert_eq!(list.text(), text);
    let value = json!({"kind": "Valkey", "namespace": "shop", "name": "cache", "backups": [
        {"name": "backup-20260102", "takenAt": "2026-01-02T03:00:00.123456Z", "sizeBytes": 1536},
        {"name": "b", "sizeBytes": 7},
        {"name": "odd", "takenAt": "yesterday"},
    ]});
    assert_eq!(serde_json::to_value(&list).unwrap(), value);
}

#[test]
fn service_without_backups_says_so() {
    let table = [
        (Value::Null, "Aiven reports no backup of Valkey shop/cache.\n"),
        (json!({"lastBackupTime": "T"}), "The newest was taken at T.\n"),
    ];
    for (status, end) in table {
        let list = of_service(&valkey(status));
        assert!(list.text().ends_with(end), "{}", list.text());
        assert_eq!(serde_json::to_value(&list).unwrap()["backups"], json!([]));
    }
    let ten: Vec<_> = (0..10).map(|number| json!({"name": format!("b{number}")})).collect();
    assert!(of_service(&valkey(json!({"backups": ten}))).text().ends_with("are not listed.\n"));
}

#[test]
fn backups_of_a_cluster_tell_what_they_are_worth() {
    let mut by_hand = completed(1, &Value::Null);
    (by_hand.metadata.name, by_hand.metadata.labels) = (Some("by-hand".to_owned()), None);
    let failed = json!({"succeeded": false, "message": "x"});
    let backups = [
        by_hand,
        completed(2, &failed),
        completed(3, &json!({"succeeded": true, "message": "x"})),
        completed(4, &Value::Null),
        backup("nightly-5", json!({"phase": "Running", "startedAt": "2026-01-05T03:00:00Z"})),
    ];
    let schedules = [nightly(json!({"keepFor": "48h", "keepLast": 2}))];
    let list = of_cluster("shop", "cache", &backups, &schedules, "2026-01-05T03:00:30Z".parse().unwrap());
    let text = "\
NAME       PHASE      TAKEN AT              SIZE     VERIFIED  EXPIRES                                DESTINATION
nightly-5  Running    2026-01-05T03:00:00Z  -        no        -                                      s3://backups/team
nightly-4  Completed  2026-01-04T03:00:00Z  1.5 GiB  no        2026-01-06T03:01:00Z and after 2 more  s3://backups/team/k4
nightly-3  Completed  2026-01-03T03:00:00Z  1.5 GiB  yes       2026-01-05T03:01:00Z and after 1 more  s3://backups/team/k3
nightly-2  Completed  2026-01-02T03:00:00Z  1.5 GiB  FAILED    after 2 more                           s3://backups/team/k2
by-hand    Completed  2026-01-01T03:00:00Z  1.5 GiB  no        never                                  s3://backups/team/k1
";
    assert_eq!(list.text(), text);
    let value = serde_json::to_value(&list).unwrap();
    let third = json!({
        "name": "nightly-3", "phase": "Completed", "takenAt": "2026-01-03T03:00:00Z", "sizeBytes": 1_610_612_736_i64,
        "verified": true, "destination": "s3://backups/team/k3", "expiresAt": "2026-01-05T03:01:00Z",
        "expiresAfterFurther": 1, "isExpiring": false,
    });
    assert_eq!(value["backups"][2], third);
}

#[test]
fn cluster_without_backups_says_what_to_do() {
    let list = of_cluster("shop", "cache", &[], &[], DateTime::UNIX_EPOCH);
    assert_eq!(list.text(), "ValkeyCluster shop/cache has no backups. To take one, apply a ValkeyBackup.\n");
}

#[test]
fn destination_is_shown_as_a_url_of_its_store() {
    let table = [
        (json!({"s3": {"bucket": "b", "credentialsSecretName": "s"}}), "s3://b/k"),
        (json!({"gcs": {"bucket": "b", "prefix": "p", "credentialsSecretName": "s"}}), "gs://b/p/k"),
        (
            json!({"azure": {"account": "a", "container": "c", "prefix": "p", "credentialsSecretName": "s"}}),
            "az://a/c/p/k",
        ),
        (json!({"volume": {"claimName": "c", "prefix": "p"}}), "pvc://c/p/k"),
    ];
    for (destination, expected) in table {
        let destination: BackupDestination = serde_json::from_value(destination).unwrap();
        assert_eq!(url(&destination, Some("k")), expected);
        assert_eq!(endpoint(&destination), None);
    }
}
