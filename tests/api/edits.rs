//! Allowed changes of a stored resource. Only the API server can judge this: the other judges never see the old one.

use serde_json::{Value, json};
use valkeeper_api::Kind;

use crate::definitions::definition;
use crate::manifests::{minimal, with};
use crate::server::{Place, Server};

on_both_servers!(
    immutable_fields_stay_and_nothing_gets_around_them,
    removing_a_create_only_field_does_not_open_it_again,
    stored_resources_survive_the_stricter_definition
);

const IMMUTABLE: &str = "Value is immutable";
const CREATION: &str = "can only be set during resource creation.";

/// A stored spec, an edit of it, and the message of the server; none when it accepts.
type Edit = (&'static str, Value, Value, Option<(&'static str, &'static str)>);

#[rustfmt::skip]
fn edits() -> Vec<Edit> {
    let fork = |name: &str| json!({"userConfig": {"service_to_fork_from": name}});
    let project = |name: &str| json!({"userConfig": {"service_to_fork_from": "a", "project_to_fork_from": name}});
    let replica = |name: &str| json!({"serviceIntegrations": [{"integrationType": "read_replica", "sourceServiceName": name}]});
    let target = |name: &str| json!({"connInfoSecretTarget": {"name": name}});
    let disabled = |value: Value| json!({"connInfoSecretTargetDisabled": value});
    let nothing = json!({});
    vec![
        ("project", nothing.clone(), json!({"project": "other"}), Some(("spec.project", IMMUTABLE))),
        ("service fork changed", fork("a"), fork("b"), Some(("spec.userConfig.service_to_fork_from", IMMUTABLE))),
        ("service fork emptied", fork("a"), fork(""), Some(("spec.userConfig.service_to_fork_from", IMMUTABLE))),
        ("service fork added", nothing.clone(), fork("b"), Some(("spec.userConfig.service_to_fork_from", CREATION))),
        ("service fork added to userConfig", json!({"userConfig": {"service_log": true}}), fork("b"),
            Some(("spec.userConfig.service_to_fork_from", CREATION))),
        ("service fork removed", fork("a"), json!({"userConfig": {"service_to_fork_from": null}}), None),
        ("userConfig removed with its fork", fork("a"), json!({"userConfig": null}), None),
        ("project fork changed", project("x"), project("y"), Some(("spec.userConfig.project_to_fork_from", IMMUTABLE))),
        ("project fork added", fork("a"), project("y"), Some(("spec.userConfig.project_to_fork_from", CREATION))),
        ("project fork removed", project("x"), json!({"userConfig": {"project_to_fork_from": null}}), None),
        ("replica changed", replica("a"), replica("b"), Some(("spec.serviceIntegrations", IMMUTABLE))),
        ("replica emptied", replica("a"), json!({"serviceIntegrations": []}), Some(("spec.serviceIntegrations", IMMUTABLE))),
        ("replica filled", json!({"serviceIntegrations": []}), replica("a"), Some(("spec.serviceIntegrations", IMMUTABLE))),
        ("replica added", nothing.clone(), replica("a"), Some(("spec.serviceIntegrations", CREATION))),
        ("replica removed", replica("a"), json!({"serviceIntegrations": null}), None),
        ("empty list added", nothing.clone(), json!({"serviceIntegrations": []}), None),
        ("target renamed", target("a"), target("b"), Some(("spec.connInfoSecretTarget.name", IMMUTABLE))),
        ("target name emptied", target("a"), target(""), Some(("spec.connInfoSecretTarget.name", IMMUTABLE))),
        ("target removed", target("a"), json!({"connInfoSecretTarget": null}), Some(("spec.connInfoSecretTarget", "cannot be removed"))),
        ("target added", nothing.clone(), target("a"), None),
        ("empty target name set", target(""), target("a"), None),
        ("empty target removed", target(""), json!({"connInfoSecretTarget": null}), None),
        ("prefix and labels", target("a"), json!({"connInfoSecretTarget": {"prefix": "X_", "labels": {"a": "b"}}}), None),
        ("disabled", nothing.clone(), disabled(json!(true)), Some(("spec", CREATION))),
        ("disabled made explicit", nothing.clone(), disabled(json!(false)), Some(("spec", CREATION))),
        ("disabled removed", disabled(json!(true)), disabled(json!(null)), Some(("spec", CREATION))),
        ("disabled again", disabled(json!(false)), disabled(json!(true)),
            Some(("spec.connInfoSecretTargetDisabled", "connInfoSecretTargetDisabled is immutable."))),
        ("enabled", disabled(json!(true)), disabled(json!(false)),
            Some(("spec.connInfoSecretTargetDisabled", "connInfoSecretTargetDisabled is immutable."))),
        ("second VPC", json!({"projectVpcId": "a"}), json!({"projectVPCRef": {"name": "b"}}),
            Some(("spec.projectVpcId", "excludes projectVPCRef"))),
        ("VPC exchanged", json!({"projectVpcId": "a"}), json!({"projectVpcId": null, "projectVPCRef": {"name": "b"}}), None),
        ("everything mutable", json!({"tags": {"a": "b"}}), json!({"plan": "business-4", "cloudName": "aws-eu-west-1",
            "powered": false, "tags": null, "terminationProtection": true, "disk_space": "90",
            "maintenanceWindowDow": "monday", "maintenanceWindowTime": "10:00:00", "technicalEmails": [],
            "authSecretRef": {"name": "a", "key": "b"},
            "userConfig": {"service_log": true, "recovery_basebackup_name": "b"}}), None),
        ("out of bounds", nothing, json!({"userConfig": {"backup_hour": 24}}), Some(("spec.userConfig.backup_hour", "less than or equal to 23"))),
    ]
}

async fn immutable_fields_stay_and_nothing_gets_around_them(place: Place) {
    let Some(server) = Server::start(place).await else { return };
    let mut failures = Vec::new();
    for kind in Kind::ALL {
        for (index, (title, stored, edit, refusal)) in edits().into_iter().enumerate() {
            let name = format!("edit-{index}");
            let mut manifest = with(minimal(kind), &stored);
            manifest["metadata"]["name"] = name.as_str().into();
            server.create(kind, &manifest).await.unwrap_or_else(|error| panic!("{title}: {error}"));
            let answer = server.patch(kind, &name, &json!({"spec": edit})).await;
            let expected = match (&refusal, &answer) {
                (Some((field, message)), Err(answer)) => {
                    answer.contains(&format!("{field}: Invalid value")) && answer.contains(message)
                }
                (None, Ok(_)) => true,
                _ => false,
            };
            if !expected {
                failures.push(format!("{kind:?} {title}: wanted {refusal:?}, got {answer:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn removing_a_create_only_field_does_not_open_it_again(place: Place) {
    let Some(server) = Server::start(place).await else { return };
    for kind in Kind::ALL {
        let spec = json!({"userConfig": {"service_to_fork_from": "a"},
            "serviceIntegrations": [{"integrationType": "read_replica", "sourceServiceName": "a"}]});
        server.create(kind, &with(minimal(kind), &spec)).await.unwrap();
        let removal = json!({"spec": {"userConfig": null, "serviceIntegrations": null}});
        server.patch(kind, "minimal", &removal).await.unwrap();
        let answer = server.patch(kind, "minimal", &json!({"spec": spec})).await.unwrap_err();
        for field in ["service_to_fork_from", "serviceIntegrations"] {
            assert!(answer.contains(&format!("{field} {CREATION}")), "{answer}");
        }
    }
}

/// The definition without any rule or bound, as an old installation may have it.
fn lax(kind: Kind) -> Value {
    let mut definition = definition(kind);
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    definition
}

async fn stored_resources_survive_the_stricter_definition(place: Place) {
    let Some(server) = Server::bare(place).await else { return };
    for kind in Kind::ALL {
        server.install(serde_json::from_value(lax(kind)).unwrap()).await;
        let mut manifest = with(
            minimal(kind),
            &json!({"connInfoSecretTarget": {"name": ""}, "userConfig": {"backup_hour": 99}, "projectVpcId": "",
                "projectVPCRef": {"name": "a"}}),
        );
        manifest["metadata"]["name"] = "1.old".into();
        manifest["metadata"]["finalizers"] = json!(["finalizers.aiven.io/delete-remote-resource"]);
        server.create(kind, &manifest).await.unwrap();
        server.install(serde_json::from_value(definition(kind)).unwrap()).await;
        strict_rules_apply(&server, kind).await;
        let annotation = json!({"metadata": {"annotations": {"a": "b"}}});
        server.patch(kind, "1.old", &annotation).await.unwrap();
        server
            .patch(kind, "1.old/status", &json!({"status": {"state": "RUNNING", "conditions": []}}))
            .await
            .unwrap();
        server.patch(kind, "1.old", &json!({"spec": {"connInfoSecretTarget": {"name": "x"}}})).await.unwrap();
        server.patch(kind, "1.old", &json!({"metadata": {"finalizers": null}})).await.unwrap();
    }
}

/// Waits until the server judges by the definition that was just installed.
async fn strict_rules_apply(server: &Server, kind: Kind) {
    let wrong = with(minimal(kind), &json!({"userConfig": {"backup_hour": 99}}));
    for _ in 0..200 {
        if server.judge(kind, &wrong).await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the definition did not take effect");
}
