//! The generator: it finds stale files, and a new property needs nothing but its schema.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;
use valkeeper_testbed::tools;

/// What a copy of the repository needs to be generated, and to be built.
const GENERATED: [&str; 7] =
    ["charts", "crds", "docs/reference", "examples", "rustfmt.toml", "schemas", "crates/api/src/user_config"];
const BUILT: [&str; 13] = [
    "Cargo.toml",
    "Cargo.lock",
    "clippy.toml",
    "rustfmt.toml",
    "charts",
    "crates/api",
    "crates/engine",
    "crds",
    "docs",
    "examples",
    "schemas",
    "src",
    "xtask",
];

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn copy_of(parts: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in parts {
        copy(&repository().join(part), &folder.path().join(part));
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in from.read_dir().unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
}

fn check(root: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["generate", "--check", "--root"])
        .arg(root)
        .output()
        .unwrap()
}

fn edit(path: PathBuf, edit: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, edit(text)).unwrap();
}

/// Adds a property to the schema of Valkey.
fn add_property(root: &Path, name: &str, property: Value) {
    edit(root.join("schemas/valkey.json"), |text| {
        let mut schema: Value = serde_json::from_str(&text).unwrap();
        schema["properties"][name] = property;
        schema.to_string()
    });
}

#[test]
fn generated_files_are_current() {
    if tools::RUSTFMT.or_skip().is_none() {
        return;
    }
    let output = check(repository());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn stale_files_are_named() {
    if tools::RUSTFMT.or_skip().is_none() {
        return;
    }
    let files = [
        "charts/valkeeper-crds/templates/redis.yaml",
        "charts/valkeeper/README.md",
        "crates/api/src/user_config/valkey.rs",
        "crds/valkeys.yaml",
        "docs/reference/redis.md",
    ];
    let copy = copy_of(&GENERATED);
    assert!(check(copy.path()).status.success());
    for file in files {
        edit(copy.path().join(file), |text| text + "\n");
    }
    let output = check(copy.path());
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let mut stale: Vec<_> = said.lines().filter_map(|line| line.strip_suffix(" is stale")).collect();
    stale.sort_unstable();
    assert_eq!(stale, files);
}

#[test]
fn a_missing_file_is_stale() {
    if tools::RUSTFMT.or_skip().is_none() {
        return;
    }
    let copy = copy_of(&GENERATED);
    std::fs::remove_file(copy.path().join("crds/redis.yaml")).unwrap();
    let output = check(copy.path());
    assert!(String::from_utf8(output.stderr).unwrap().contains("crds/redis.yaml is stale"));
}

#[test]
fn a_changed_schema_makes_the_source_stale() {
    if tools::RUSTFMT.or_skip().is_none() {
        return;
    }
    let copy = copy_of(&GENERATED);
    add_property(copy.path(), "valkey_new", json!({"type": "boolean", "description": "Something new."}));
    let output = check(copy.path());
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("crates/api/src/user_config/valkey.rs is stale")
    );
}

#[test]
fn unsupported_schema_keyword_is_an_error() {
    let copy = copy_of(&GENERATED);
    let property = json!({"type": "integer", "description": "Something new.", "multipleOf": 2});
    add_property(copy.path(), "valkey_new", property);
    let output = check(copy.path());
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("multipleOf"));
}

/// Builds the program from a changed copy of the repository, which takes a minute or more.
#[test]
fn schema_property_is_supported_after_regenerating_alone() {
    if std::env::var_os("VALKEEPER_REGENERATE").is_none() {
        eprintln!("skipped: set VALKEEPER_REGENERATE to build a changed copy of the repository");
        return;
    }
    let copy = copy_of(&BUILT);
    // The program needs no part of the sandbox; without it, fewer crates are built.
    for manifest in ["Cargo.toml", "xtask/Cargo.toml"] {
        edit(copy.path().join(manifest), |text| {
            text.replace("\"sandbox\", ", "")
                .replace("valkeeper-apiserver.workspace = true\n", "")
                .replace("valkeeper-testbed.workspace = true\n", "")
        });
    }
    let property = json!({"type": "integer", "minimum": 1, "maximum": 9, "default": 3, "x_restarts_service": true,
        "description": "A knob that is new."});
    add_property(copy.path(), "valkey_new_knob", property);
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(copy.path())
            .env("CARGO_TARGET_DIR", repository().join("target/regenerated"))
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (done, said) = cargo(&["run", "--offline", "--package", "xtask", "--", "generate"]);
    assert!(done, "{said}");
    let read = |path: &str| std::fs::read_to_string(copy.path().join(path)).unwrap();
    let definition: Value = serde_yaml::from_str(&read("crds/valkeys.yaml")).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let knob = &schema["properties"]["spec"]["properties"]["userConfig"]["properties"]["valkey_new_knob"];
    assert_eq!((knob["minimum"].as_i64(), knob["maximum"].as_i64()), (Some(1), Some(9)));
    let facts = "PropertyFacts::of(\"valkey_new_knob\").restarts().defaults_to(\"3\")";
    assert!(read("crates/api/src/user_config/valkey.rs").contains(facts));
    assert!(read("docs/reference/valkey.md").contains("`valkey_new_knob` (integer, Minimum: 1, Maximum: 9)"));
    assert!(read("charts/valkeeper-crds/templates/valkeys.yaml").contains("valkey_new_knob"));
    let manifest = "{apiVersion: aiven.io/v1alpha1, kind: Valkey, metadata: {name: aa}, \
                    spec: {project: p, plan: x, userConfig: {valkey_new_knob: 10}}}";
    std::fs::write(copy.path().join("wrong.yaml"), manifest).unwrap();
    let (accepted, said) =
        cargo(&["run", "--offline", "--quiet", "--bin", "valkeeper", "--", "validate", "wrong.yaml"]);
    assert!(!accepted);
    assert!(said.contains("spec.userConfig.valkey_new_knob: must be at most 9 (is 10)"), "{said}");
}
