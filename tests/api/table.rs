//! One table, three judges: the API server, `valkeeper validate` and the operator's own check.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize as _;
use serde_json::Value;
use validator::Validate as _;
use valkeeper_api::{Kind, ManagedService, Redis, Valkey, Violation, yaml};

use crate::cases::{self, Case, Operator, Server};
use crate::manifests::{full, minimal};
use crate::server::{self, Place};

on_both_servers!(
    every_example_applies,
    the_api_server_refuses_the_same,
    valid_spec_is_accepted_by_every_validator
);

/// What the operator finds in a stored object; nothing when it cannot decode it.
fn operator(kind: Kind, manifest: &Value) -> Option<Vec<Violation>> {
    fn judge<T: ManagedService>(manifest: &Value) -> Option<Vec<Violation>> {
        serde_json::from_value::<T>(manifest.clone()).ok().map(|object| valkeeper_api::validate(&object))
    }
    match kind {
        Kind::Valkey => judge::<Valkey>(manifest),
        Kind::Redis => judge::<Redis>(manifest),
    }
}

/// The errors that `valkeeper validate` finds in these manifests, by their position: field and rule.
fn command<'m>(manifests: impl Iterator<Item = &'m Value>) -> BTreeMap<usize, Vec<(String, String)>> {
    let folder = tempfile::tempdir().unwrap();
    for (index, manifest) in manifests.enumerate() {
        // Many have the same name, which folders may have in common.
        let folder = folder.path().join(index.to_string());
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("manifest.yaml"), yaml::document(manifest).unwrap()).unwrap();
    }
    let mut validate = Command::new(env!("CARGO_BIN_EXE_valkeeper"));
    let output = validate.args(["validate", "--output", "json"]).arg(folder.path()).output().unwrap();
    let mut findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    findings.retain(|finding| finding["severity"] == "error");
    assert_eq!(output.status.success(), findings.is_empty());
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for finding in findings {
        let path = std::path::Path::new(finding["path"].as_str().unwrap());
        let index = path.parent().unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap();
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        assert!(finding["line"].as_u64().unwrap() > 0 && finding["column"].as_u64().unwrap() > 0);
        found.entry(index).or_default().push((text("field"), text("rule")));
    }
    found
}

fn names(case: &Case, findings: &[(String, String)]) -> bool {
    findings.iter().any(|(field, rule)| *field == case.field && rule.contains(&case.rule))
}

#[test]
fn the_table_is_large_and_every_row_is_different() {
    let cases = cases::all();
    let titles: BTreeSet<_> = cases.iter().map(|case| (case.kind, &case.title)).collect();
    println!("{} manifests; judges differ on purpose where:", cases.len());
    for case in &cases {
        match (&case.server, case.operator) {
            (Server::Accepts(why), _) => println!("  {}: the API server accepts, {why}", case.title),
            (_, Operator::Ignores(why)) => println!("  {}: the operator ignores it, {why}", case.title),
            _ => {}
        }
    }
    assert_eq!(titles.len(), cases.len());
    assert!(cases.len() >= 120);
}

#[test]
fn the_command_and_the_operator_find_what_is_wrong() {
    let cases = cases::all();
    let found = command(cases.iter().map(|case| &case.manifest));
    let mut failures = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let command = found.get(&index).map_or(&[][..], Vec::as_slice);
        if !names(case, command) {
            failures.push(format!("{:?} {}: the command says {command:?}", case.kind, case.title));
        }
        let operator = operator(case.kind, &case.manifest).map(|violations| {
            violations.into_iter().map(|found| (found.field.to_string(), found.rule)).collect::<Vec<_>>()
        });
        let expected = match case.operator {
            Operator::Agrees => operator.as_ref().is_some_and(|found| names(case, found)),
            Operator::CannotDecode => operator.is_none(),
            Operator::Ignores(_) => operator.as_ref().is_some_and(|found| !names(case, found)),
        };
        if !expected {
            failures.push(format!("{:?} {}: the operator says {operator:?}", case.kind, case.title));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn the_api_server_refuses_the_same(place: Place) {
    let Some(server) = server::Server::start(place).await else { return };
    let mut failures = Vec::new();
    for case in cases::all() {
        let answer = server.judge(case.kind, &case.manifest).await;
        let expected = match (&case.server, &answer) {
            (Server::Refuses(message), Err(answer)) => answer.contains(message),
            (Server::Accepts(_), Ok(_)) => true,
            _ => false,
        };
        if !expected {
            let answer =
                answer.map_or_else(|message| message.chars().take(400).collect(), |_| "accepted".to_owned());
            failures.push(format!("{:?} {}: wanted {:?}, got {answer}", case.kind, case.title, case.server));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn valid_spec_is_accepted_by_every_validator(place: Place) {
    let server = server::Server::start(place).await;
    let mut manifests = Vec::new();
    for kind in Kind::ALL {
        manifests.extend([(kind, full(kind)), (kind, minimal(kind))]);
    }
    assert_eq!(command(manifests.iter().map(|(_, manifest)| manifest)), BTreeMap::new());
    for (kind, manifest) in &manifests {
        assert_eq!(operator(*kind, manifest), Some(Vec::new()));
        if let Some(server) = &server {
            let stored = server.judge(*kind, manifest).await.unwrap();
            assert_eq!(stored["spec"]["powered"], true, "the default");
        }
    }
}

/// Every document of every example, those of the guides too.
fn examples() -> Vec<Value> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let documents = |text: String| -> Vec<Value> {
        serde_yaml::Deserializer::from_str(&text)
            .map(|document| Value::deserialize(document).unwrap())
            .collect()
    };
    let entries =
        [folder.clone(), folder.join("guides")].into_iter().flat_map(|folder| folder.read_dir().unwrap());
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| std::fs::read_to_string(path).unwrap()).flat_map(documents).collect()
}

async fn every_example_applies(place: Place) {
    let Some(server) = server::Server::start(place).await else { return };
    for example in examples() {
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| example["kind"] == kind.name()) {
            server.judge(kind, &example).await.unwrap();
        }
    }
}

#[test]
fn the_examples_find_their_token() {
    let token = examples().into_iter().find(|example| example["kind"] == "Secret").unwrap();
    let names_a_token = |example: &Value| !example["spec"]["authSecretRef"].is_null();
    let resources: Vec<_> = examples().into_iter().filter(names_a_token).collect();
    assert!(resources.len() >= 2);
    for resource in resources {
        let reference = &resource["spec"]["authSecretRef"];
        assert_eq!(reference["name"], token["metadata"]["name"]);
        assert!(token["stringData"][reference["key"].as_str().unwrap()].is_string());
    }
}

/// The derived validators check less: they ignore enumerations, the bounds of plain items, and names.
#[test]
fn the_derived_validators_agree_about_bounds() {
    fn accepts<T: ManagedService>(manifest: &Value, validate: impl Fn(&T) -> bool) -> bool {
        validate(&serde_json::from_value::<T>(manifest.clone()).unwrap())
    }
    let bounds =
        ["must be at most", "must be at least", "must have at most", "must match", "must not be empty"];
    let judged = cases::all().into_iter().filter(|case| {
        bounds.iter().any(|bound| case.rule.starts_with(bound))
            && matches!((&case.server, case.operator), (Server::Refuses(_), Operator::Agrees))
            && !case.field.ends_with("additional_backup_regions[0]")
            // The bounds of values of a map are in the schema alone.
            && !case.field.starts_with("spec.connInfoSecretTarget.keys")
    });
    for case in judged {
        let accepted = match case.kind {
            Kind::Valkey => accepts::<Valkey>(&case.manifest, |valkey| valkey.spec.validate().is_ok()),
            Kind::Redis => accepts::<Redis>(&case.manifest, |redis| redis.spec.validate().is_ok()),
        };
        assert!(!accepted, "{:?} {}", case.kind, case.title);
    }
    for kind in Kind::ALL {
        assert!(match kind {
            Kind::Valkey => accepts::<Valkey>(&full(kind), |valkey| valkey.spec.validate().is_ok()),
            Kind::Redis => accepts::<Redis>(&full(kind), |redis| redis.spec.validate().is_ok()),
        });
    }
}

#[test]
fn no_judge_repeats_a_secret() {
    for kind in Kind::ALL {
        let mut manifest = full(kind);
        let migration = &mut manifest["spec"]["userConfig"]["migration"];
        migration["password"] = "hunter2".repeat(40).into();
        migration["passwort"] = "hunter2".into();
        manifest["spec"]["authSecretRef"]["key"] = "hunter2/".into();
        let violations = valkeeper_api::validate::validate_manifest(kind, &manifest);
        assert_eq!(violations.len(), 3);
        assert!(!format!("{violations:?}").contains("hunter2"));
        let object = serde_json::from_value::<Valkey>(manifest).unwrap();
        assert!(!format!("{object:?}").replace("hunter2/", "").contains("hunter2"));
    }
}
