//! `cargo xtask dependencies`: what the tree of libraries must and must not contain. Reads `Cargo.lock` by way of
//! `cargo tree`; licenses and advisories are the part of `cargo deny`.

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, ExitCode},
};

/// Beginnings of names of libraries that bring a second TLS stack.
const SECOND_TLS_STACK: [&str; 3] = ["aws-lc", "native-tls", "openssl"];
/// Finds the certificates of the system, and is none.
const NO_TLS_STACK: &str = "openssl-probe";
/// Libraries whose types cross borders: two versions of one could not exchange them.
const ONE_VERSION: [&str; 4] = ["k8s-openapi", "kube", "rustls", "schemars"];

/// Check the libraries that the workspace depends on.
#[derive(Parser)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<ExitCode> {
    let (built, all) = (tree(&["--edges", "normal,build"])?, tree(&[])?);
    let (built, all) = (versions(&built), versions(&all));
    let wrong: Vec<String> = second_tls_stacks(&built).into_iter().chain(in_two_versions(&all)).collect();
    for line in &wrong {
        eprintln!("{line}");
    }
    println!("{} libraries, {} wrong", all.len(), wrong.len());
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tree(arguments: &[&str]) -> Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(["tree", "--locked", "--workspace", "--all-features", "--prefix", "none", "--format", "{p}"])
        .args(arguments)
        .output()
        .context("cargo tree does not start")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The versions of each library in lines such as `kube v5.0.0 (*)`.
fn versions(tree: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            all.entry(name).or_default().insert(version);
        }
    }
    all
}

fn second_tls_stacks(libraries: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let is_one = |name: &str| SECOND_TLS_STACK.iter().any(|start| name.starts_with(start));
    let found = libraries.keys().filter(|name| is_one(name) && **name != NO_TLS_STACK);
    found
        .map(|name| format!("{name} is a second TLS stack; see who wants it: cargo tree -i {name}"))
        .collect()
}

fn in_two_versions(libraries: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let count = |name: &str| libraries.get(name).map_or(0, BTreeSet::len);
    let wrong = ONE_VERSION.into_iter().filter(|name| count(name) != 1);
    wrong.map(|name| format!("{name} is in the tree in {} versions instead of one", count(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "kube v5.0.0\nk8s-openapi v0.27.0 (*)\nrustls v0.23.1\nschemars v1.0.0\nopenssl-probe v0.2.0\n";

    #[test]
    fn second_tls_stack_is_found() {
        assert_eq!(second_tls_stacks(&versions(GOOD)), Vec::<String>::new());
        let bad = format!("{GOOD}openssl-sys v0.9.0\naws-lc-rs v1.0.0\n");
        assert_eq!(second_tls_stacks(&versions(&bad)).len(), 2);
    }

    #[test]
    fn library_in_two_versions_or_none_is_found() {
        assert_eq!(in_two_versions(&versions(GOOD)), Vec::<String>::new());
        let bad = GOOD.replace("schemars v1.0.0", "rustls v0.24.0");
        assert_eq!(in_two_versions(&versions(&bad)).len(), 2);
    }
}
