//! The promises of the design, broken on purpose, one at a time, in a copy of the sources: the faults tests must
//! detect each. Every test run checks that every mutation still fits the sources. Running them takes minutes, needs
//! `--ignored`, and writes the table in `docs/reliability.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod copy;
mod protocol;
mod table;

use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use table::{MUTATIONS, Mutation};

/// What surrounds the table in the documentation.
const MARKS: [&str; 2] = ["<!-- mutations -->\n", "<!-- end of mutations -->\n"];

pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn every_mutation_fits_the_sources() {
    for mutation in MUTATIONS {
        let source = fs::read_to_string(repository(mutation.file)).unwrap();
        assert_eq!(source.matches(mutation.from).count(), 1, "{}: {}", mutation.name, mutation.from);
        assert_ne!(mutation.from, mutation.to, "{}", mutation.name);
    }
}

#[test]
fn every_scenario_that_a_mutation_is_tried_in_exists() {
    let files = fs::read_dir(repository("tests/faults/scenarios")).unwrap();
    let scenarios: String = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    for mutation in MUTATIONS {
        assert!(scenarios.contains(&format!("name: \"{}\"", mutation.scenario)), "{}", mutation.name);
    }
}

#[test]
fn documentation_covers_every_mutation() {
    let page = fs::read_to_string(repository("docs/reliability.md")).unwrap();
    for mutation in MUTATIONS {
        assert!(
            page.contains(&format!("| {} | `{}` |", mutation.promise, mutation.scenario)),
            "{mutation:?}"
        );
    }
}

#[test]
#[ignore = "builds and runs the operator once for every mutation: cargo test --test mutations -- --ignored --nocapture"]
fn every_broken_promise_is_noticed() {
    let only = std::env::var("VALKEEPER_MUTATION").ok();
    let wanted = |mutation: &&Mutation| {
        only.as_ref().is_none_or(|only| only.split(',').any(|name| name == mutation.name))
    };
    let mut rows = Vec::new();
    for mutation in MUTATIONS.iter().filter(wanted) {
        let noticed = try_out(mutation);
        println!("{}: {}", mutation.name, noticed.as_deref().unwrap_or("NOT NOTICED"));
        rows.push((mutation, noticed));
    }
    let missed: Vec<_> =
        rows.iter().filter(|(_, noticed)| noticed.is_none()).map(|(mutation, _)| mutation.name).collect();
    assert!(missed.is_empty(), "not noticed: {missed:?}");
    document(&rows);
}

/// The output of the faults tests against the mutated operator; none if they found no fault.
fn try_out(mutation: &Mutation) -> Option<String> {
    let folder = copy::of(&repository(""), &repository("target/mutated"), mutation);
    let mut judge = Command::new(built(&folder));
    judge
        .args([mutation.judge, "--nocapture"])
        .current_dir(&folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    judge.env("VALKEEPER_SCENARIO", mutation.scenario).env("RUST_BACKTRACE", "0");
    // Failures are expected here, and some show only when a goal is not reached.
    judge.env("VALKEEPER_PATIENCE", "20");
    let mut judging = judge.spawn().unwrap();
    let (mut said, mut complaint) = (Vec::new(), None);
    for line in BufReader::new(judging.stderr.take().unwrap()).lines().map_while(Result::ok) {
        // The line before replays the run; further ones would only repeat it.
        if said.last().is_some_and(|last: &String| last.starts_with("VALKEEPER_SCENARIO=")) {
            judging.kill().unwrap();
            complaint.get_or_insert(line.clone());
        }
        said.push(line);
    }
    if judging.wait().unwrap().success() {
        return None;
    }
    complaint =
        complaint.or_else(|| said.iter().find(|line| line.starts_with("secrets in the log")).cloned());
    // A failure for another reason would prove nothing.
    let complaint = complaint.unwrap_or_else(|| panic!("{}: {}", mutation.name, said.join("\n")));
    let shown: String = complaint.trim().chars().take(120).collect();
    Some(shown.replace('|', "/"))
}

/// Builds the faults tests of a copy of the sources, and returns their program.
fn built(folder: &Path) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--locked", "--quiet", "--test", "faults", "--no-run", "--message-format", "json"]);
    // A folder of its own: cargo would confuse the copy with this package, and leave mutated code behind.
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", repository("target/mutations"));
    // The variables that cargo sets for this test would make some dependencies build again.
    let of_cargo =
        |name: &String| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start));
    for name in std::env::vars().map(|(name, _)| name).filter(of_cargo) {
        cargo.env_remove(name);
    }
    let built = cargo.stderr(Stdio::inherit()).output().unwrap();
    assert!(built.status.success(), "{} does not build", folder.display());
    let messages = String::from_utf8(built.stdout).unwrap();
    let mut messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.find_map(|message| {
        let tests = message["target"]["name"] == "faults";
        message["executable"].as_str().filter(|_| tests).map(PathBuf::from)
    });
    program.unwrap()
}

/// Puts detected mutations into the table of the documentation. Rows of those that were not tried stay.
fn document(rows: &[(&Mutation, Option<String>)]) {
    let path = repository("docs/reliability.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).expect("the table has its place");
    let (earlier, after) = rest.split_once(MARKS[1]).expect("the table has an end");
    let mut table = "| broken promise | scenario | first complaint |\n|---|---|---|\n".to_owned();
    for mutation in MUTATIONS {
        let beginning = format!("| {} | `{}` |", mutation.promise, mutation.scenario);
        let tried = rows.iter().find(|(tried, _)| tried.name == mutation.name);
        let row = match tried {
            Some((_, noticed)) => format!("{beginning} {} |", noticed.as_deref().unwrap_or_default()),
            None => earlier.lines().find(|line| line.starts_with(&beginning)).unwrap_or_default().to_owned(),
        };
        if !row.is_empty() {
            writeln!(table, "{row}").unwrap();
        }
    }
    fs::write(path, [before, MARKS[0], &table, MARKS[1], after].concat()).unwrap();
}
