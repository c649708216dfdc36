//! The commands as users run them.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const WRONG: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: token}
---
apiVersion: aiven.io/v1alpha1
kind: Valkey
metadata:
  name: my-valkey
spec:
  project: my-project
  plan: startup-4
  diskSpace: 10GiB
  userConfig:
    backup_hour: 24
    valkey_persistence: off
    ip_filter:
      - network: 0.0.0.0/0
      - network: 10.0.0.1
";

const FOUND: [&str; 4] = [
    "12:3: Valkey/my-valkey: spec.diskSpace: unknown field; did you mean `disk_space`?",
    "14:5: Valkey/my-valkey: spec.userConfig.backup_hour: must be at most 23 (is 24)",
    "15:5: Valkey/my-valkey: spec.userConfig.valkey_persistence: must be a string: write it in quotes (is false)",
    "18:9: Valkey/my-valkey: spec.userConfig.ip_filter[1].network: \
     must be a network in CIDR notation; for one address append /32 (is \"10.0.0.1\")",
];

fn valkeeper(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valkeeper"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Nobody may read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn findings_have_a_position_an_object_a_field_and_a_rule() {
    let output = valkeeper(&["validate", "-"], WRONG);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output.stderr), FOUND.map(|line| format!("-:{line}")));
    assert!(output.stdout.is_empty());
}

#[test]
fn findings_are_also_printed_as_json() {
    let output = valkeeper(&["validate", "--output", "json", "-"], WRONG);
    assert_eq!(output.status.code(), Some(1));
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(findings.len(), FOUND.len());
    let expected = serde_json::json!({"path": "-", "line": 14, "column": 5, "kind": "Valkey", "name": "my-valkey",
        "field": "spec.userConfig.backup_hour", "value": "24", "rule": "must be at most 23"});
    assert_eq!(findings[1], expected);
    assert!(output.stderr.is_empty());
}

#[test]
fn folders_are_searched_and_other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("below")).unwrap();
    std::fs::write(folder.path().join("below/wrong.yml"), WRONG).unwrap();
    std::fs::write(folder.path().join("notes.txt"), WRONG).unwrap();
    let path = folder.path().to_str().unwrap();
    let output = valkeeper(&["validate", path], "");
    assert_eq!(lines(&output.stderr), FOUND.map(|line| format!("{path}/below/wrong.yml:{line}")));
}

#[test]
fn the_examples_are_valid() {
    let output = valkeeper(&["validate", concat!(env!("CARGO_MANIFEST_DIR"), "/examples")], "");
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
}

#[test]
fn lists_as_kubectl_prints_them_are_opened() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: aiven.io/v1alpha1\n  kind: Redis\n  metadata:\n    \
                name: re\n  spec:\n    project: p\n";
    let output = valkeeper(&["validate", "-"], list);
    assert_eq!(lines(&output.stderr), ["-:8:3: Redis/re: spec.plan: is required"]);
}

#[test]
fn a_broken_file_is_a_finding_and_does_not_hide_others() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "a: [\n").unwrap();
    std::fs::write(folder.path().join("b.yaml"), WRONG).unwrap();
    let output = valkeeper(&["validate", folder.path().to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output.stderr).len(), 1 + FOUND.len());
    assert!(lines(&output.stderr)[0].contains("a.yaml:"));
}

#[test]
fn a_missing_file_is_an_error() {
    let output = valkeeper(&["validate", "/nowhere/at/all.yaml"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(lines(&output.stderr)[0].contains("cannot read /nowhere/at/all.yaml"));
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let manifest =
        "{apiVersion: aiven.io/v1alpha1, kind: Valkey, metadata: {name: \"a\\e[31m\\nb\"}, spec: {}}";
    let output = valkeeper(&["validate", "-"], manifest);
    assert_eq!(lines(&output.stderr).len(), 3);
    assert!(!output.stderr.contains(&0x1b));
}

#[test]
fn an_unknown_deletion_policy_is_found_before_it_matters() {
    let manifest = "{apiVersion: aiven.io/v1alpha1, kind: Valkey, metadata: {name: aa, annotations: \
                    {controllers.aiven.io/deletion-policy: orphan}}, spec: {project: p, plan: x}}";
    let output = valkeeper(&["validate", "-"], manifest);
    let found =
        "metadata.annotations[\"controllers.aiven.io/deletion-policy\"]: must be `Orphan` or `Delete`";
    assert!(lines(&output.stderr)[0].ends_with(found));
}

#[test]
fn what_crds_prints_is_what_the_repository_holds() {
    let output = valkeeper(&["crds"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<Value> = serde_yaml::Deserializer::from_str(&text)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect();
    let services = valkeeper::api::Kind::ALL.into_iter().map(crate::definitions::definition);
    let held: Vec<_> = services.chain([crate::definitions::project_vpc()]).collect();
    assert_eq!(printed, held);
}

#[test]
fn as_a_plugin_of_kubectl_it_speaks_of_itself_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-valkeeper");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_valkeeper"), &plugin).unwrap();
    let usage = |program: &std::path::Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        text.lines().find(|line| line.starts_with("Usage: ")).unwrap().to_owned()
    };
    assert_eq!(usage(&plugin, &["--help"]), "Usage: kubectl valkeeper [OPTIONS] <COMMAND>");
    assert_eq!(usage(&plugin, &["validate"]), "Usage: kubectl valkeeper validate <FILE|DIR|->...");
    let itself = std::path::Path::new(env!("CARGO_BIN_EXE_valkeeper"));
    assert_eq!(usage(itself, &["--help"]), "Usage: valkeeper [OPTIONS] <COMMAND>");
}
