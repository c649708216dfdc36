//! Arrows between the packages of the workspace, and what the pure ones may use.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, process::Command};

/// Each package, and the packages of this workspace that it may depend on. Tests may use more, but no package may need
/// itself.
const ARROWS: [(&str, &[&str]); 13] = [
    ("valkeeper-api", &[]),
    ("valkeeper-engine", &["valkeeper-api"]),
    ("valkeeper-failover", &[]),
    ("valkeeper-cluster", &["valkeeper-api", "valkeeper-engine", "valkeeper-failover"]),
    ("valkeeper-server", &[]),
    ("valkeeper-backup", &["valkeeper-server"]),
    ("valkeeper-instance", &["valkeeper-backup", "valkeeper-failover", "valkeeper-server"]),
    (
        "valkeeper",
        &[
            "valkeeper-api",
            "valkeeper-backup",
            "valkeeper-cluster",
            "valkeeper-engine",
            "valkeeper-failover",
            "valkeeper-instance",
        ],
    ),
    ("valkeeper-apiserver", &[]),
    ("valkeeper-testbed", &[]),
    ("valkeeper-fake-provider", &[]),
    ("valkeeper-sandbox", &["valkeeper", "valkeeper-api", "valkeeper-apiserver", "valkeeper-testbed"]),
    ("xtask", &["valkeeper", "valkeeper-api"]),
];

/// Packages without I/O, clocks and async, and the libraries that they may use.
const PURE: [(&str, &[&str]); 4] = [
    (
        "valkeeper-api",
        &[
            "chrono",
            "chrono-tz",
            "croner",
            "ipnet",
            "k8s-openapi",
            "kube",
            "regex",
            "schemars",
            "serde",
            "serde_json",
            "serde_yaml",
            "thiserror",
            "validator",
        ],
    ),
    ("valkeeper-engine", &["chrono", "fnv", "ipnet", "k8s-openapi", "secrecy", "serde", "serde_json"]),
    ("valkeeper-failover", &["serde"]),
    ("valkeeper-cluster", &["chrono", "fnv", "k8s-openapi", "kube", "serde_json"]),
];

/// Libraries with network access. No pure package may have one below it, at whatever distance.
const TALKATIVE: [&str; 7] = ["axum", "hyper", "kube-client", "reqwest", "rustls", "tokio", "tower"];

/// A package and what it depends on.
#[derive(Debug)]
struct Package {
    name: String,
    /// Name of the other package, and whether only tests need it.
    dependencies: Vec<(String, bool)>,
}

/// What is wrong with the packages of the workspace in `root`.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let packages = read(root)?;
    let mut wrong = arrows(&packages);
    for (name, _) in PURE {
        wrong.extend(talkative(root, name)?);
    }
    Ok(wrong)
}

fn read(root: &Path) -> Result<Vec<Package>> {
    let output = cargo(root, &["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&output)?;
    let packages = metadata["packages"].as_array().context("cargo lists no packages")?;
    Ok(packages.iter().map(package).collect())
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let dependencies = dependencies.map(|other| (text(&other["name"]), other["kind"] == "dev")).collect();
    Package { name: text(&package["name"]), dependencies }
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output =
        Command::new(program).args(arguments).current_dir(root).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Which packages depend on one that they may not depend on.
fn arrows(packages: &[Package]) -> Vec<String> {
    let allowed: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let pure: BTreeMap<_, _> = PURE.into_iter().collect();
    let own = |name: &str| packages.iter().any(|package| package.name == name);
    let mut wrong = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("{name}: say in the arrows of xtask what it may depend on"));
            continue;
        };
        for (other, only_tests) in &package.dependencies {
            let other = other.as_str();
            let fine = *only_tests
                || if own(other) {
                    may.contains(&other)
                } else {
                    pure.get(name).is_none_or(|may| may.contains(&other))
                };
            if !fine {
                wrong.push(format!("{name} must not depend on {other}"));
            }
        }
    }
    wrong
}

/// Libraries with network access below a pure package.
fn talkative(root: &Path, name: &str) -> Result<Vec<String>> {
    let tree = cargo(
        root,
        &["tree", "--locked", "--package", name, "--edges", "normal", "--prefix", "none", "--format", "{p}"],
    )?;
    let below: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let found = TALKATIVE.into_iter().filter(|library| below.contains(library));
    Ok(found.map(|library| format!("{name} is pure, and has {library} below it")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependencies = dependencies.iter().map(|(name, tests)| ((*name).to_owned(), *tests)).collect();
        Package { name: name.to_owned(), dependencies }
    }

    #[test]
    fn forbidden_arrow_is_reported() {
        let packages = [
            package("valkeeper-engine", &[("valkeeper", false), ("tokio", false), ("serde", false)]),
            package("valkeeper", &[("valkeeper-engine", false), ("tokio", false)]),
            package("valkeeper-api", &[("valkeeper", true)]),
            package("valkeeper-new", &[]),
        ];
        let wrong = [
            "valkeeper-engine must not depend on valkeeper",
            "valkeeper-engine must not depend on tokio",
            "valkeeper-new: say in the arrows of xtask what it may depend on",
        ];
        assert_eq!(arrows(&packages), wrong);
    }
}
