//! What the runs showed, as the table of `docs/reliability.md`.

use crate::{matrix::Outcome, scenarios::Scenario};
use std::fmt::Write as _;

/// One row per scenario.
pub(crate) fn table(baselines: &[(Scenario, Outcome)], outcomes: &[Outcome]) -> String {
    let mut table =
        "| scenario | calls | runs | failures | most extra calls | crashes |\n|---|---|---|---|---|---|\n"
            .to_owned();
    let mut total = [0; 3];
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
        total = [total[0] + runs, total[1] + failures, total[2] + crashes];
    }
    let _ = writeln!(table, "| **all** | | {} | {} | | {} |", total[0], total[1], total[2]);
    table
}
