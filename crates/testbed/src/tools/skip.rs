//! Skips tests. Guarantees that each missing tool is reported once by each test program, whatever the test
//! harness captures, and that nothing is skipped which must be tested.

use std::{
    collections::BTreeSet,
    io::Write as _,
    sync::{Mutex, PoisonError},
};

/// The variable with the names of the tools without which tests fail instead of being skipped, separated by
/// spaces.
pub const REQUIRED: &str = "VALKEEPER_REQUIRED_TOOLS";

static REPORTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Reports that the current test cannot be run here without `tool`, and what to do to run it.
///
/// # Panics
///
/// Where [`REQUIRED`] lists the tool.
pub fn skip(tool: &str, advice: &str) {
    assert!(!is_required(tool), "cannot be tested: {advice}");
    let test = std::thread::current().name().map(|name| format!(", needed by {name}")).unwrap_or_default();
    let line = format!("skipped: {advice}{test}");
    let first = REPORTED.lock().unwrap_or_else(PoisonError::into_inner).insert(tool.to_owned());
    if first {
        // The harness captures what macros print in a successful test.
        let _ = writeln!(std::io::stderr(), "{line} and others");
    } else {
        eprintln!("{line}");
    }
}

/// Whether scenarios run on a real API server that do not depend on it; otherwise skips the calling test.
pub fn every_scenario_or_skip() -> bool {
    let all = std::env::var("VALKEEPER_ALL").is_ok_and(|all| all == "1");
    if !all {
        println!("skipped: runs on a real API server with VALKEEPER_ALL=1");
    }
    all
}

fn is_required(tool: &str) -> bool {
    let listed = std::env::var(REQUIRED).unwrap_or_default();
    listed.split_whitespace().any(|name| name == tool)
}
