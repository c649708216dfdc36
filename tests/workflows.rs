//! The scripts and workflows that build and release, and the recipes of the justfile: pinned, with few permissions,
//! and without findings of shellcheck and actionlint. Where those two are not installed, the tests report that.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

use regex::Regex;
use serde_json::Value;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use valkeeper_testbed::tools;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Name, text and content of each workflow.
fn workflows() -> Vec<(String, String, Value)> {
    let entries = std::fs::read_dir(repository(".github/workflows")).unwrap().flatten();
    let read = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let content = serde_yaml::from_str(&text).unwrap();
        (entry.file_name().into_string().unwrap(), text, content)
    };
    let found: Vec<_> = entries.map(read).collect();
    assert!(found.len() >= 2);
    found
}

/// The jobs of a workflow, by name.
fn jobs(workflow: &Value) -> impl Iterator<Item = (&String, &Value)> {
    workflow["jobs"].as_object().into_iter().flatten()
}

#[test]
fn every_action_is_pinned_to_a_commit_with_its_version() {
    let uses = Regex::new(r"(?m)uses: *(.+)$").unwrap();
    let pinned = Regex::new(r"^[a-z-]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$").unwrap();
    for (name, text, _) in workflows() {
        for found in uses.captures_iter(&text) {
            assert!(pinned.is_match(found[1].trim()), "{name}: {}", &found[1]);
        }
    }
}

#[test]
fn workflow_permissions_are_read_only_with_job_exceptions() {
    for (name, text, workflow) in workflows() {
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "{name}");
        assert_eq!(
            text.matches("actions/checkout@").count(),
            text.matches("persist-credentials: false").count()
        );
        for (job, content) in jobs(&workflow) {
            assert!(content["permissions"] != "write-all", "{name}: {job}");
        }
    }
}

#[test]
fn shellcheck_finds_nothing_in_scripts_and_workflows() {
    let expression = Regex::new(r"\$\{\{.*?\}\}").unwrap();
    let Some(program) = tools::SHELLCHECK.or_skip() else { return };
    for script in [".ci/book", ".ci/image", ".ci/run", ".ci/sbom", "fuzz/run"] {
        let mut check = Command::new(&program);
        let output = check.args(["--severity", "warning"]).arg(repository(script)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    for (name, _, workflow) in workflows() {
        for (job, content) in jobs(&workflow) {
            for step in content["steps"].as_array().into_iter().flatten() {
                let Some(script) = step["run"].as_str() else { continue };
                // The environment variables of other steps are unknown here.
                let mut check = Command::new(&program);
                check.args(["--shell", "bash", "--severity", "warning", "--exclude", "SC2154", "-"]);
                let mut check = check.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
                let script = format!("set -eo pipefail\n{}", expression.replace_all(script, "value"));
                check.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
                let output = check.wait_with_output().unwrap();
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success(), "{name}: {job}: {text}");
            }
        }
    }
}

#[test]
fn actionlint_finds_nothing_in_workflows() {
    let Some(program) = tools::ACTIONLINT.or_skip() else { return };
    let output = Command::new(program).current_dir(repository("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn recipes_of_the_justfile_name_what_exists() {
    let recipes = std::fs::read_to_string(repository("justfile")).unwrap();
    let tasks = std::fs::read_to_string(repository("xtask/src/main.rs")).unwrap();
    let named = |pattern: &str| {
        let pattern = Regex::new(pattern).unwrap();
        pattern.captures_iter(&recipes).map(|found| found[1].to_owned()).collect::<Vec<_>>()
    };
    for test in named(" --test ([a-z][a-z0-9]+)") {
        let crates = std::fs::read_dir(repository("crates")).unwrap().map(|entry| entry.unwrap().path());
        let mut packages = crates.chain([repository("")]);
        let has_it = |package: PathBuf| {
            ["X.rs", "X/main.rs"]
                .iter()
                .any(|file| package.join("tests").join(file.replace('X', &test)).exists())
        };
        assert!(packages.any(has_it), "{test}");
    }
    for task in named("cargo xtask ([a-z]+)") {
        assert!(
            tasks.contains(&format!("Arguments::{task}")) || tasks.contains(&format!("{task}::run")),
            "{task}"
        );
    }
    for script in named(r"(\.ci/[a-z]+)") {
        assert!(repository(&script).exists(), "{script}");
    }
    assert!(named(" --test ([a-z][a-z0-9]+)").len() > 3);
}
