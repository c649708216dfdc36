//! `ValkeyUser`: wrong manifests judged three ways, what may be changed later, the example, and the reference page.

use serde_json::{Value, json};
use valkeeper::cli::validate::Report;
use valkeeper_api::{ValkeyUser, Violation, crd, valkey_user};

use crate::server::{Place, Server};

on_both_servers!(
    api_server_refuses_the_same_users,
    api_server_refuses_forbidden_changes_of_users,
    example_of_a_user_is_accepted
);

const USER: &str = include_str!("../../examples/self-hosted/user.yaml");

/// The example with another value at this path; null removes it.
fn changed(path: &str, value: &Value) -> Value {
    let mut manifest: Value = serde_yaml::from_str(USER).unwrap();
    let (parent, field) = path.rsplit_once('/').unwrap();
    let parent = manifest.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(field);
    } else {
        parent.insert(field.to_owned(), value.clone());
    }
    manifest
}

/// The path of a change, the value, the field that is named, and the rule that it breaks.
fn wrong() -> Vec<(&'static str, Value, String, &'static str)> {
    let spec = |field: &str| format!("spec.{field}");
    let mut table = vec![
        ("/spec/clusterName", json!(null), spec("clusterName"), "is required"),
        ("/spec/clusterName", json!(""), spec("clusterName"), "must match"),
        ("/spec/username", json!("default"), spec("username"), "must be none of the users"),
        ("/spec/username", json!("valkeeper-monitor"), spec("username"), "must be none of the users"),
        ("/spec/username", json!("with space"), spec("username"), "must match"),
        ("/spec/username", json!(""), spec("username"), "must match"),
        ("/spec/rules", json!(null), spec("rules"), "is required"),
        ("/spec/rules", json!([]), spec("rules"), "must not be empty"),
        ("/spec/passwordSecretRef", json!({"name": "a"}), spec("passwordSecretRef.key"), "is required"),
        (
            "/spec/connInfoSecretTarget/route",
            json!("Public"),
            spec("connInfoSecretTarget.route"),
            "unknown field",
        ),
        (
            "/metadata/name",
            json!("Upper"),
            "metadata.name".to_owned(),
            "beginning of the names of its Secrets",
        ),
        (
            "/metadata/name",
            json!("a".repeat(51)),
            "metadata.name".to_owned(),
            "beginning of the names of its Secrets",
        ),
        ("/metadata/name", json!("default"), spec("username"), "must be none of the users"),
    ];
    // Whoever has a password or needs none would be let in by the words of a user.
    let words = [
        "nopass",
        "resetpass",
        ">word",
        "<word",
        "#0123",
        "!0123",
        "on",
        "off",
        "reset",
        "",
        "get",
        "+get set",
        "clearselectors",
        "()",
        "%X~a",
        "skip-sanitize-payload",
        "+get\nnopass",
    ];
    table.extend(words.map(|word| ("/spec/rules", json!(["+get", word]), spec("rules[1]"), "must match")));
    table
}

#[test]
fn command_and_operator_name_field_and_rule_of_a_user() {
    for (path, value, field, rule) in wrong() {
        let manifest = changed(path, &value);
        let names = |found: &[Violation]| {
            found.iter().any(|found| found.field.to_string() == field && found.rule.contains(rule))
        };
        let found = valkey_user::manifest_violations(&manifest);
        assert!(names(&found), "{path} {value}: {found:?}");
        let operated = serde_json::from_value::<ValkeyUser>(manifest).ok();
        if let Some(found) = operated.filter(|_| rule != "unknown field") {
            let found = valkey_user::violations(&found);
            assert!(names(&found), "{path} {value}: {found:?}");
        }
    }
}

async fn server_with_users(place: Place) -> Option<Server> {
    let server = Server::bare(place).await?;
    server.install(crd::valkey_user()).await;
    Some(server)
}

async fn api_server_refuses_the_same_users(place: Place) {
    let Some(server) = server_with_users(place).await else { return };
    for (path, value, _, _) in wrong() {
        let judged = server.judge_own("valkeyusers", &changed(path, &value)).await;
        assert!(judged.is_err(), "{path} {value}: {judged:?}");
    }
}

async fn api_server_refuses_forbidden_changes_of_users(place: Place) {
    let Some(server) = server_with_users(place).await else { return };
    server.put_own("valkeyusers", None, &serde_yaml::from_str(USER).unwrap()).await.unwrap();
    let table = [
        (json!({"clusterName": "other"}), false),
        (json!({"username": "other"}), false),
        (json!({"rules": ["+nopass"]}), true),
        (json!({"rules": ["(+get ~a)", "%RW~b:*", "&c", "allkeys", "-@dangerous", "+client|setinfo"]}), true),
        (json!({"passwordSecretRef": {"name": "mine", "key": "word"}}), true),
        (json!({"connInfoSecretTarget": {"name": "other"}}), false),
        (json!({"connInfoSecretTarget": null}), false),
    ];
    for (change, is_accepted) in table {
        let changed = server.put_own("valkeyusers", Some("orders-reader"), &json!({"spec": change})).await;
        assert_eq!(changed.is_ok(), is_accepted, "{change}: {changed:?}");
    }
}

async fn example_of_a_user_is_accepted(place: Place) {
    let Some(server) = server_with_users(place).await else { return };
    let stored = server.judge_own("valkeyusers", &serde_yaml::from_str(USER).unwrap()).await.unwrap();
    let stored: ValkeyUser = serde_json::from_value(stored).unwrap();
    assert_eq!(valkey_user::violations(&stored), []);
    let mut report = Report::default();
    report.judge("-", USER);
    assert_eq!((report.judged, report.findings.len()), (1, 0), "{:?}", report.findings);
}

#[test]
fn every_field_of_users_is_on_its_page() {
    let page = include_str!("../../docs/reference/valkeyuser.md");
    let schema = serde_json::to_value(crd::valkey_user_schema()).unwrap();
    for part in ["spec", "status"] {
        for name in schema["properties"][part]["properties"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("<a id=\"{part}.{name}\"></a>")), "{part}.{name}");
        }
    }
}
