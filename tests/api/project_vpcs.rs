//! `ProjectVPC`: the verdict of `valkeeper validate` about its manifests, next to the API server, and its reference
//! page.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Value, json};
use valkeeper::cli::validate::Report;
use valkeeper_api::validate::validate_vpc_manifest;

use crate::definitions;
use crate::server::{Place, Server};

on_both_servers!(the_api_server_refuses_the_same);

fn manifest(change: &Value) -> Value {
    let mut manifest: Value = serde_yaml::from_str(include_str!("../../examples/projectvpc.yaml")).unwrap();
    for (key, value) in change.as_object().unwrap() {
        manifest["spec"][key] = value.clone();
    }
    manifest
}

/// A change of the example, the field that is wrong then, and the rule it breaks.
fn wrong() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({"project": null}), "spec.project", "is required"),
        (json!({"project": "a b"}), "spec.project", "must match"),
        (json!({"project": "p".repeat(64)}), "spec.project", "at most 63 characters"),
        (json!({"cloudName": null}), "spec.cloudName", "is required"),
        (json!({"cloudName": 7}), "spec.cloudName", "must be a string"),
        (json!({"cloudName": "c".repeat(257)}), "spec.cloudName", "at most 256 characters"),
        (json!({"networkCidr": null}), "spec.networkCidr", "is required"),
        (json!({"networkCidr": "192.168.0.0"}), "spec.networkCidr", "CIDR notation"),
        (json!({"networkCidr": "2001:db8::/32"}), "spec.networkCidr", "CIDR notation"),
        (json!({"cidr": "10.0.0.0/24"}), "spec.cidr", "unknown field"),
        (json!({"authSecretRef": {"name": "token"}}), "spec.authSecretRef.key", "is required"),
        (json!({"authSecretRef": {"name": "", "key": "k"}}), "spec.authSecretRef.name", "must not be empty"),
    ]
}

#[test]
fn the_command_names_the_field_and_the_rule() {
    for (change, field, rule) in wrong() {
        let found = validate_vpc_manifest(&manifest(&change));
        let named = found.iter().any(|found| found.field.to_string() == field && found.rule.contains(rule));
        assert!(named, "{change}: {found:?}");
    }
    // The pattern of the CRD accepts it; the provider would not.
    let found = validate_vpc_manifest(&manifest(&json!({"networkCidr": "300.0.0.0/24"})));
    assert_eq!(found.len(), 1, "{found:?}");
}

async fn the_api_server_refuses_the_same(place: Place) {
    let Some(server) = Server::bare(place).await else { return };
    server.install(serde_json::from_value(definitions::project_vpc()).unwrap()).await;
    server.judge_vpc(&manifest(&json!({}))).await.unwrap();
    for (change, field, _) in wrong() {
        let refusal = server.judge_vpc(&manifest(&change)).await.unwrap_err();
        assert!(refusal.contains(field), "{change}: {refusal}");
    }
}

#[test]
fn findings_have_a_position_and_other_documents_are_judged_too() {
    let text = "apiVersion: aiven.io/v1alpha1\nkind: ProjectVPC\nmetadata:\n  name: net\n  annotations:\n    \
                controllers.aiven.io/deletion-policy: orphan\nspec:\n  project: p\n  cloudName: c\n  networkCidr: \
                10.0.0.0\n---\napiVersion: aiven.io/v1alpha1\nkind: Valkey\nmetadata: {name: va}\nspec: {project: p}\n";
    let mut report = Report::default();
    report.judge("-", text);
    assert_eq!(report.judged, 2);
    let found: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "-:6:5: ProjectVPC/net: metadata.annotations[\"controllers.aiven.io/deletion-policy\"]: must be `Orphan` or `Delete`",
            "-:10:3: ProjectVPC/net: spec.networkCidr: must be a network in CIDR notation, such as 192.168.0.0/24 (is \"10.0.0.0\")",
            "-:15:1: Valkey/va: spec.plan: is required",
        ]
    );
}

/// Paths of a schema, with whether each is required.
fn fields(schema: &Value, path: &str, found: &mut BTreeMap<String, bool>) {
    let object = if schema["type"] == "array" { &schema["items"] } else { schema };
    for (name, field) in object["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields(field, &path, found);
        let required = object["required"].as_array().is_some_and(|all| all.contains(&name.as_str().into()));
        found.insert(path, required);
    }
}

#[test]
fn reference_page_lists_every_crd_field_with_working_links() {
    let page = include_str!("../../docs/reference/projectvpc.md");
    let definition = definitions::project_vpc();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let mut declared = BTreeMap::new();
    for part in ["spec", "status"] {
        fields(&schema[part], part, &mut declared);
    }
    assert!(declared["spec.networkCidr"] && !declared["status.id"]);
    for path in declared.keys() {
        assert!(page.contains(&format!("<a id=\"{path}\"></a>")), "{path}");
    }
    for link in Regex::new(r"\]\(#([^)]+)\)").unwrap().captures_iter(page) {
        assert!(page.contains(&format!("<a id=\"{}\"></a>", &link[1])), "{}", &link[1]);
    }
    assert!(page.contains(include_str!("../../examples/projectvpc.yaml")));
}
