//! What the runs showed, as the tables of `docs/faults.md`. Nothing there is typed by hand: each test writes its
//! own part when `VALKEEPER_REPORT` is set, and only after it has passed.

use crate::{matrix::Outcome, scenarios::Scenario};
use std::{
    fmt::Write as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

static PAGE: Mutex<()> = Mutex::new(());

/// One row per scenario.
pub(crate) fn table(baselines: &[(Scenario, Outcome)], outcomes: &[Outcome]) -> String {
    let mut table =
        "| scenario | calls | runs | failures | most extra calls | crashes |\n|---|---|---|---|---|---|\n"
            .to_owned();
    let mut total = [0; 4];
    for (scenario, baseline) in baselines {
        let own = || outcomes.iter().filter(|outcome| outcome.scenario == scenario.name);
        let failures = own().filter(|outcome| !outcome.violations.is_empty()).count();
        let extra = own().map(|outcome| outcome.calls.saturating_sub(baseline.calls)).max().unwrap_or(0);
        let crashes: usize = own().map(|outcome| outcome.crashes).sum();
        let runs = own().count();
        let _ = writeln!(
            table,
            "| {} | {} | {runs} | {failures} | {extra} | {crashes} |",
            scenario.name, baseline.calls
        );
        total = [total[0] + runs, total[1] + failures, total[2].max(extra), total[3] + crashes];
    }
    let [runs, failures, extra, crashes] = total;
    let _ = writeln!(table, "| **all** | | {runs} | {failures} | {extra} | {crashes} |");
    table
}

/// Puts `text` into its part of the page, if a page is requested.
pub(crate) fn publish(part: &str, text: &str) {
    if std::env::var_os("VALKEEPER_REPORT").is_none() {
        return;
    }
    let _one_at_a_time = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
    let (before, rest) = page.split_once(&begin).expect("the page has the part");
    let (_, after) = rest.split_once(&end).expect("the part ends");
    std::fs::write(&path, format!("{before}{begin}\n{text}\n{end}{after}")).unwrap();
}
