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
    // The program may not read it.
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
    let summary = "checked 1 resource in 1 file, skipped 1: 4 errors".to_owned();
    let found = FOUND.iter().map(|line| format!("-:{line}")).chain([summary]);
    assert_eq!(lines(&output.stderr), found.collect::<Vec<_>>());
    assert!(output.stdout.is_empty());
}

#[test]
fn findings_are_also_printed_as_json() {
    let output = valkeeper(&["validate", "--output", "json", "-"], WRONG);
    assert_eq!(output.status.code(), Some(1));
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(findings.len(), FOUND.len());
    let expected = serde_json::json!({"path": "-", "line": 14, "column": 5, "kind": "Valkey", "name": "my-valkey",
        "field": "spec.userConfig.backup_hour", "value": "24", "rule": "must be at most 23", "severity": "error",
        "check": "invalid-field", "message": "spec.userConfig.backup_hour: must be at most 23 (is 24)"});
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
    let found = lines(&output.stderr);
    assert_eq!(found[..4], FOUND.map(|line| format!("{path}/below/wrong.yml:{line}")));
    assert_eq!(found[4..], ["checked 1 resource in 1 file, skipped 1: 4 errors"]);
}

/// A Valkey with a warning.
const POINTLESS: &str = "apiVersion: aiven.io/v1alpha1\nkind: Valkey\nmetadata: {name: va}\nspec:\n  project: p\n  \
                         plan: x\n  userConfig:\n    ip_filter:\n    - network: 10.1.2.3/8\n";

#[test]
fn warnings_fail_only_where_that_is_asked_for() {
    let output = valkeeper(&["validate", "-"], POINTLESS);
    assert_eq!(output.status.code(), Some(0));
    let warning = "-:9:7: warning: Valkey/va: spec.userConfig.ip_filter[0].network: has bits set after the prefix: it \
                   stands for 10.0.0.0/8 (is \"10.1.2.3/8\")";
    assert_eq!(lines(&output.stderr), [warning, "checked 1 resource in 1 file, skipped 0: 1 warning"]);
    assert_eq!(valkeeper(&["validate", "--strict", "-"], POINTLESS).status.code(), Some(1));
}

#[test]
fn empty_check_is_distinguished_from_success() {
    let foreign = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let output = valkeeper(&["validate", "-"], foreign);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines(&output.stderr), ["checked 0 resources in 1 file, skipped 1: no findings"]);
    assert_eq!(valkeeper(&["validate", "--strict", "-"], foreign).status.code(), Some(1));
    assert_eq!(valkeeper(&["validate"], "").status.code(), Some(2), "wrong usage");
}

#[test]
fn findings_become_annotations_of_a_github_workflow() {
    let output = valkeeper(&["validate", "-o", "github", "-"], WRONG);
    assert_eq!(output.status.code(), Some(1));
    let expected = "::error file=-,line=14,col=5,title=Valkey/my-valkey::spec.userConfig.backup_hour: must be at \
                    most 23 (is 24)";
    assert_eq!(lines(&output.stdout)[1], expected);
    let hostile = "apiVersion: aiven.io/v1alpha1\nkind: Valkey\nmetadata: {name: \"a,b:c%0A\\n::error::x\"}\nspec: {}\n";
    for line in lines(&valkeeper(&["validate", "-o", "github", "-"], hostile).stdout) {
        assert!(
            line.starts_with("::error file=-,line=3,") || line.starts_with("::error file=-,line=4,"),
            "{line}"
        );
    }
}

#[test]
fn findings_become_sarif_for_code_scanning() {
    let output = valkeeper(&["validate", "-o", "sarif", "-"], &format!("{WRONG}---\n{POINTLESS}"));
    assert_eq!(output.status.code(), Some(1));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules: Vec<_> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), FOUND.len() + 1);
    assert!(results.iter().all(|result| rules.contains(&&result["ruleId"])));
    assert_eq!(results[1]["locations"][0]["physicalLocation"]["region"]["startLine"], 14);
    assert_eq!(results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "-");
    assert_eq!((&results[1]["level"], &results[4]["level"]), (&"error".into(), &"warning".into()));
    assert!(output.stderr.is_empty());
}

#[test]
fn a_file_that_is_named_twice_is_checked_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, POINTLESS).unwrap();
    let output = valkeeper(&["validate", folder.path().to_str().unwrap(), file.to_str().unwrap()], "");
    assert_eq!(lines(&output.stderr)[1..], ["checked 1 resource in 1 file, skipped 0: 1 warning"]);
}

#[test]
fn the_examples_are_valid() {
    let output = valkeeper(&["validate", concat!(env!("CARGO_MANIFEST_DIR"), "/examples")], "");
    assert!(output.status.success());
    let lines = lines(&output.stderr);
    assert!(lines.len() == 1 && lines[0].ends_with(": no findings"), "{lines:?}");
}

#[test]
fn lists_as_kubectl_prints_them_are_opened() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: aiven.io/v1alpha1\n  kind: Redis\n  metadata:\n    \
                name: re\n  spec:\n    project: p\n";
    let output = valkeeper(&["validate", "-"], list);
    assert_eq!(lines(&output.stderr)[0], "-:8:3: Redis/re: spec.plan: is required");
}

#[test]
fn broken_file_is_a_finding_and_does_not_hide_other_findings() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "a: [\n").unwrap();
    std::fs::write(folder.path().join("b.yaml"), WRONG).unwrap();
    let output = valkeeper(&["validate", folder.path().to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output.stderr).len(), 1 + FOUND.len() + 1);
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
        "---\n{apiVersion: aiven.io/v1alpha1, kind: Valkey, metadata: {name: \"a\\e[31m\\nb\"}, spec: {}}";
    let output = valkeeper(&["validate", "-"], manifest);
    assert_eq!(lines(&output.stderr).len(), 3 + 1);
    assert!(!output.stderr.contains(&0x1b));
}

#[test]
fn an_unknown_deletion_policy_is_found_before_it_matters() {
    let manifest = "---\n{apiVersion: aiven.io/v1alpha1, kind: Valkey, metadata: {name: aa, annotations: \
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
    let services = valkeeper_api::Kind::ALL.into_iter().map(crate::definitions::definition);
    let others = crate::definitions::others();
    let held: Vec<_> = services.chain(others).collect();
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
