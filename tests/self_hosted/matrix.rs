//! The matrix: every scenario of a cluster's life with every named fault of the test node at its primary, judged by the
//! history checker. A sample is run with every test run; `VALKEEPER_CELLS=all` runs all, `VALKEEPER_CELLS=40` the
//! first 40, `VALKEEPER_CELL="scale out, kill pod"` one. `VALKEEPER_TLS=1` runs them with TLS, `VALKEEPER_DURABILITY=Quorum`
//! with quorum durability, `VALKEEPER_SENTINEL=1` with clients that ask a Sentinel for the primary.
//! `VALKEEPER_API=real` runs them on a real API server.
//! `VALKEEPER_REPORT=1` writes `docs/failover.md`.

use crate::cell::{Row, cell};
use crate::report::publish;
use std::sync::Mutex;
use valkeeper_testbed::tools;

/// Cells that are run at the same time.
const AT_ONCE: usize = 2;
/// Before the row of a cell that a program of its own has run.
const ROW: &str = "row: ";
/// The ignored test that runs one cell.
const INSIDE: &str = "matrix::one_cell_in_networks_of_its_own";

const SCENARIOS: [&str; 10] = [
    "settled",
    "scale out",
    "scale in",
    "change of pods",
    "change of a setting",
    "setting with a restart",
    "eviction",
    "deleted pod",
    "hibernate and wake",
    "cold start",
];

pub(crate) const FAULTS: [&str; 18] = [
    "none",
    "kill pod",
    "kill manager",
    "kill server",
    "freeze pod",
    "freeze manager",
    "freeze server",
    "vanish node",
    "stop api",
    "slow api",
    "calls of the operator fail",
    "operator ends",
    "split from peers",
    "split from api",
    "isolate pod",
    "lose packets",
    "slow network",
    "fill volume",
];

/// Run by every test run: nothing fails, a pod ends, a server ends, a network fails.
const SAMPLE: [(&str, &str); 4] = [
    ("settled", "none"),
    ("scale out", "kill pod"),
    ("eviction", "kill server"),
    ("settled", "split from api"),
];

/// Whether pods need networks and volumes of their own for it.
fn needs_namespaces(fault: &str) -> bool {
    FAULTS.iter().position(|known| *known == fault).is_some_and(|place| place >= 12)
}

/// All cells, so that the first of them have every scenario and every fault.
fn cells() -> Vec<(&'static str, &'static str)> {
    let count = SCENARIOS.len() * FAULTS.len();
    // The lengths have a common factor of two: each second round is shifted by one.
    let cell = |number: usize| {
        let shift = number / (count / 2);
        (SCENARIOS[number % SCENARIOS.len()], FAULTS[(number + shift) % FAULTS.len()])
    };
    (0..count).map(cell).collect()
}

#[test]
fn matrix_has_every_cell_once() {
    let all: std::collections::BTreeSet<_> = cells().into_iter().collect();
    assert_eq!(all.len(), SCENARIOS.len() * FAULTS.len());
    assert!(SAMPLE.iter().all(|cell| all.contains(cell)));
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn wanted() -> Vec<(&'static str, &'static str)> {
    let mut cells = cells();
    if let Some(cell) = variable("VALKEEPER_CELL") {
        cells.retain(|(scenario, fault)| cell == format!("{scenario}, {fault}"));
        assert!(!cells.is_empty(), "no such cell: {cell}");
    } else if let Some(count) = variable("VALKEEPER_CELLS") {
        if count != "all" {
            cells.truncate(count.parse().expect("VALKEEPER_CELLS is a number, or all"));
        }
    } else {
        cells = SAMPLE.to_vec();
    }
    if tools::UNSHARE.or_skip().is_none() {
        cells.retain(|(_, fault)| !needs_namespaces(fault));
    }
    cells
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_are_kept_in_the_matrix() {
    if tools::VALKEY_SERVER.or_skip().is_none() {
        return;
    }
    let (wanted, rows) = (Mutex::new(wanted().into_iter()), Mutex::new(Vec::new()));
    let next = || wanted.lock().unwrap().next();
    let work = async || {
        while let Some((scenario, fault)) = next() {
            // What panics says why in the output.
            let run = tokio::task::spawn_blocking(move || run(scenario, fault));
            let row = run.await.unwrap_or_else(|error| Row::failed(scenario, fault, error.to_string()));
            println!("{row}");
            rows.lock().unwrap().push(row);
        }
    };
    futures::future::join_all((0..AT_ONCE).map(|_| work())).await;
    let rows = rows.into_inner().unwrap();
    let failed: Vec<String> =
        rows.iter().filter(|row| row.failure.is_some()).map(ToString::to_string).collect();
    let count = rows.len();
    publish(rows, SCENARIOS.len() * FAULTS.len());
    assert!(failed.is_empty(), "{} of {} cells failed:\n{}", failed.len(), count, failed.join("\n"));
}

fn run(scenario: &'static str, fault: &'static str) -> Row {
    if needs_namespaces(fault) {
        return run_in_namespaces(scenario, fault);
    }
    // A runtime of its own: what an operator has started ends with it.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(cell(scenario, fault, false))
}

fn run_in_namespaces(scenario: &'static str, fault: &'static str) -> Row {
    let cell = format!("{scenario}, {fault}");
    let inside = tools::in_namespaces(INSIDE, &[("VALKEEPER_CELL", &cell)]).unwrap();
    let printed = inside.expect("cells that need it are left out without it").printed;
    let row = printed.lines().find_map(|line| serde_json::from_str(line.strip_prefix(ROW)?).ok());
    row.unwrap_or_else(|| Row::failed(scenario, fault, printed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in namespaces of its own"]
async fn one_cell_in_networks_of_its_own() {
    let (scenario, fault) = wanted()[0];
    let row = cell(scenario, fault, true).await;
    println!("\n{ROW}{}", serde_json::to_string(&row).unwrap());
}
