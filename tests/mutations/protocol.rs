//! The failover protocol of self-hosted clusters, broken on purpose, one mutation at a time, in a copy of the sources:
//! a test with real servers must notice. `crates/failover/tests/model` and `simulation` have the same mutations.

use crate::{copy, repository, table::Mutation};
use std::{
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
};

const MARKS: [&str; 2] = ["<!-- protocol -->\n", "<!-- end of protocol -->\n"];
/// Why two of the seven have no test here.
const LEFT_OUT: &str = "\nTwo mutations are found by the model alone. *Hold without drain*: a server often takes in a socket before it is held, so \
                        that a test passes with the mutation. *\"Link up\" taken for synced*: the moment between the two is shorter than \
                        a second, and no schedule makes it longer.\n";

/// `scenario` is the test of `valkeeper-instance` that must fail.
pub(crate) const PROTOCOL: &[Mutation] = &[
    Mutation {
        name: "no-wait",
        promise: "a promotion waits for the term of a silent primary",
        judge: "servers",
        scenario: "fencing::primary_without_its_lease_stops_before_another_starts",
        file: "crates/failover/src/operator.rs",
        from: "if is_over || lease.has_elapsed(policy, timing) {",
        to: "if is_over || member.is_some_and(|member| member.silent_for >= policy.failover_after) {",
    },
    Mutation {
        name: "boots-writable",
        promise: "no server accepts writes at boot",
        judge: "servers",
        scenario: "held::server_refuses_writes_at_every_start_until_it_is_promoted",
        file: "crates/instance/src/server_config.rs",
        from: "add(\"replicaof\", &[\"127.0.0.1\", &silent_port.to_string()]);",
        to: "add(\"hz\", &[&(silent_port % 10 + 10).to_string()]);",
    },
    Mutation {
        name: "offsets-alone",
        promise: "offsets are compared within one history",
        judge: "servers",
        scenario: "life::longer_data_of_an_older_term_is_not_elected",
        file: "crates/failover/src/election.rs",
        from: "let order = left.position.term.cmp(&right.position.term);",
        to: "let order = std::cmp::Ordering::Equal;",
    },
    Mutation {
        name: "label-first",
        promise: "clients are directed to an instance after its promotion",
        judge: "servers",
        scenario: "switchover::switchover_loses_no_acknowledged_write",
        file: "crates/failover/src/operator/vacancy.rs",
        from: "            Some(_) => Step::Promote(name.clone(), next, lease.version),",
        to: "            Some(_) if !view.routed.contains(name) => Step::Route(name.clone(), next),\n            \
             Some(_) => Step::Promote(name.clone(), next, lease.version),",
    },
    Mutation {
        name: "fence-unconfirmed",
        promise: "a fence is confirmed by the server, or the server is killed",
        judge: "servers",
        scenario: "fencing::frozen_server_is_killed_and_another_takes_over",
        file: "crates/failover/src/manager.rs",
        from: "        self.state = State::Fencing { grant: Some(grant), since: now };",
        to: "        self.state = State::Held;\n        let _ = (now, grant);",
    },
];

#[test]
fn every_mutation_of_the_protocol_fits_sources_and_tests() {
    let folder = repository("crates/instance/tests/servers");
    for mutation in PROTOCOL {
        let source = fs::read_to_string(repository(mutation.file)).unwrap();
        assert_eq!(source.matches(mutation.from).count(), 1, "{}: {}", mutation.name, mutation.from);
        let (module, test) = mutation.scenario.split_once("::").unwrap();
        let tests = fs::read_to_string(folder.join(format!("{module}.rs"))).unwrap();
        assert!(tests.contains(&format!("fn {test}(")), "{}", mutation.scenario);
        let page = fs::read_to_string(repository("docs/reliability.md")).unwrap();
        assert!(
            page.contains(&format!("| {} | `{}` |", mutation.promise, mutation.scenario)),
            "{}",
            mutation.name
        );
    }
}

#[test]
#[ignore = "builds the instance manager once for every mutation: cargo test --test mutations protocol -- --ignored --nocapture"]
fn every_broken_promise_of_the_protocol_is_noticed() {
    let only = std::env::var("VALKEEPER_MUTATION").ok();
    let mut rows = "| broken promise | test | first complaint |\n|---|---|---|\n".to_owned();
    let mut missed = Vec::new();
    for mutation in PROTOCOL.iter().filter(|one| only.as_ref().is_none_or(|only| one.name == only)) {
        let noticed = try_out(mutation);
        println!("{}: {}", mutation.name, noticed.as_deref().unwrap_or("NOT NOTICED"));
        let complaint = noticed.as_deref().unwrap_or_default();
        writeln!(rows, "| {} | `{}` | {complaint} |", mutation.promise, mutation.scenario).unwrap();
        if noticed.is_none() {
            missed.push(mutation.name);
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
    if only.is_none() {
        let path = repository("docs/reliability.md");
        let page = fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(MARKS[0]).unwrap();
        let (_, after) = rest.split_once(MARKS[1]).unwrap();
        fs::write(path, [before, MARKS[0], &rows, LEFT_OUT, MARKS[1], after].concat()).unwrap();
    }
}

/// What the test said about the mutated sources; nothing if it passed.
fn try_out(mutation: &Mutation) -> Option<String> {
    let folder = copy::of(&repository(""), &repository("target/mutated"), mutation);
    let cargo = |more: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "test",
            "--locked",
            "--quiet",
            "--package",
            "valkeeper-instance",
            "--test",
            mutation.judge,
        ]);
        cargo.args(more).current_dir(&folder).env("CARGO_TARGET_DIR", repository("target/mutations"));
        let told =
            |name: &String| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start));
        for name in std::env::vars().map(|(name, _)| name).filter(told) {
            cargo.env_remove(name);
        }
        cargo.env("RUST_BACKTRACE", "0").stdin(Stdio::null());
        cargo
    };
    // What does not build would prove nothing.
    assert!(cargo(&["--no-run"]).status().unwrap().success(), "{} does not build", mutation.name);
    let output = cargo(&["--", "--exact", mutation.scenario]).output().unwrap();
    if output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("1 failed"), "{}: {said}", mutation.name);
    let mut lines = said.lines().skip_while(|line| !line.contains("panicked at")).skip(1);
    let complaint: String = lines.next().unwrap_or_default().trim().chars().take(120).collect();
    Some(complaint.replace('|', "/"))
}
