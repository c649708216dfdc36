//! `ServiceUser`: the manifests of aiven-operator, the verdict of `valkeeper validate` next to the API server, and the fields
//! that stay.

use serde_json::{Value, json};
use valkeeper_api::service_user::manifest_violations;

use crate::definitions;
use crate::server::{Place, Server};

on_both_servers!(api_server_refuses_the_same_users, fields_of_a_stored_user_stay);

fn manifest(spec: &Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "ServiceUser", "metadata": {"name": "shop"},
        "spec": {"project": "p", "serviceName": "cache"},
    });
    for (key, value) in spec.as_object().unwrap() {
        manifest["spec"][key] = value.clone();
    }
    manifest
}

/// What manifests for aiven-operator have.
fn accepted() -> Vec<Value> {
    vec![
        json!({}),
        json!({"username": "Shop_1", "authSecretRef": {"name": "aiven-token", "key": "token"}}),
        json!({"connInfoSecretTarget": {"name": "shop", "prefix": "MY_", "labels": {"baz": "egg"}, "annotations": {"foo": "bar"}}}),
        json!({"connInfoSecretTargetDisabled": true, "authentication": "caching_sha2_password"}),
        json!({"connInfoSecretSource": {"name": "predefined-credentials", "passwordKey": "PASSWORD"}}),
        json!({"accessControl": {"valkeyAclKeys": ["a:*"], "valkeyAclCommands": ["+get"],
            "valkeyAclCategories": ["+@read"], "valkeyAclChannels": []}}),
    ]
}

/// A change of the example, the field that is wrong then, the rule it breaks, and whether a schema can say so.
fn wrong() -> Vec<(Value, &'static str, &'static str, bool)> {
    vec![
        (json!({"project": null}), "spec.project", "is required", true),
        (json!({"project": "a b"}), "spec.project", "must match", true),
        (json!({"serviceName": null}), "spec.serviceName", "is required", true),
        (json!({"serviceName": "Cache"}), "spec.serviceName", "must match", true),
        (json!({"username": ""}), "spec.username", "must not be empty", true),
        (json!({"username": "u".repeat(65)}), "spec.username", "at most 64 characters", true),
        (json!({"authentication": "none"}), "spec.authentication", "must be", true),
        (
            json!({"connInfoSecretSource": {"name": "a"}}),
            "spec.connInfoSecretSource.passwordKey",
            "is required",
            true,
        ),
        (
            json!({"accessControl": {"valkeyAclKeys": vec!["a"; 257]}}),
            "spec.accessControl.valkeyAclKeys",
            "at most 256",
            true,
        ),
        (
            json!({"accessControl": {"redisAclKeys": ["a"]}}),
            "spec.accessControl.redisAclKeys",
            "unknown field",
            true,
        ),
        (
            json!({"connInfoSecretSource": {"name": "shop", "passwordKey": "p"}}),
            "spec.connInfoSecretSource.name",
            "another Secret",
            false,
        ),
        (
            json!({"authSecretRef": {"name": "shop", "key": "k"}}),
            "spec.authSecretRef.name",
            "another Secret",
            false,
        ),
        (
            json!({"connInfoSecretTarget": {"name": "A_b"}}),
            "spec.connInfoSecretTarget.name",
            "possible name",
            false,
        ),
    ]
}

#[test]
fn users_are_judged_by_field_and_rule() {
    for spec in accepted() {
        assert_eq!(manifest_violations(&manifest(&spec)), [], "{spec}");
    }
    for (change, field, rule, _) in wrong() {
        let found = manifest_violations(&manifest(&change));
        let named = found.iter().any(|found| found.field.to_string() == field && found.rule.contains(rule));
        assert!(named, "{change}: {found:?}");
    }
    let mut long = manifest(&json!({}));
    long["metadata"]["name"] = json!("a".repeat(65));
    assert!(manifest_violations(&long).iter().any(|found| found.field.to_string() == "metadata.name"));
    long["spec"]["username"] = json!("a");
    assert_eq!(manifest_violations(&long), []);
}

async fn installed(place: Place) -> Option<Server> {
    let server = Server::bare(place).await?;
    server.install(serde_json::from_value(definitions::service_user()).unwrap()).await;
    Some(server)
}

async fn api_server_refuses_the_same_users(place: Place) {
    let Some(server) = installed(place).await else { return };
    for spec in accepted() {
        server.judge_user(&manifest(&spec)).await.unwrap();
    }
    for (change, field, _, by_schema) in wrong().into_iter().filter(|(.., by_schema)| *by_schema) {
        let refusal = server.judge_user(&manifest(&change)).await.unwrap_err();
        assert!(refusal.contains(field) && by_schema, "{change}: {refusal}");
    }
}

async fn fields_of_a_stored_user_stay(place: Place) {
    let Some(server) = installed(place).await else { return };
    let cases = [
        (json!({}), json!({"project": "q"}), Some("Value is immutable")),
        (json!({}), json!({"serviceName": "other"}), Some("Value is immutable")),
        (json!({"username": "a"}), json!({"username": "b"}), Some("username is immutable.")),
        (json!({}), json!({"username": "b"}), Some("username can only be set during resource creation.")),
        (
            json!({"username": "a"}),
            json!({"username": null}),
            Some("username can only be set during resource creation."),
        ),
        (
            json!({}),
            json!({"connInfoSecretTargetDisabled": true}),
            Some("connInfoSecretTargetDisabled can only be set during resource creation."),
        ),
        (json!({}), json!({"accessControl": {"valkeyAclKeys": ["a"]}}), None),
        (json!({}), json!({"connInfoSecretSource": {"name": "s", "passwordKey": "k"}}), None),
    ];
    for (number, (stored, edit, message)) in cases.into_iter().enumerate() {
        let mut object = manifest(&stored);
        let name = format!("user-{number}");
        object["metadata"]["name"] = json!(name);
        server.put_user(None, &object).await.unwrap();
        let outcome = server.put_user(Some(&name), &json!({ "spec": edit })).await;
        match message {
            Some(message) => {
                let refusal = outcome.unwrap_err();
                assert!(refusal.contains(message), "{edit}: {refusal}");
            }
            None => drop(outcome.unwrap()),
        }
    }
}
