//! What the runs of the matrix showed, as the table of `docs/failover.md`. Nothing there is typed by hand.

use crate::cell::Row;
use crate::matrix::FAULTS;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

fn table(rows: &[Row], all: usize) -> String {
    let mut table = format!(
        "{} of {all} runs, {} failed.\n\n| fault at the primary | runs | writable again, p50 | max | lost without `WAIT`, max | \
         acknowledged by two |\n|---|---|---|---|---|---|\n",
        rows.len(),
        rows.iter().filter(|row| row.failure.is_some()).count(),
    );
    for fault in FAULTS {
        let own: Vec<&Row> = rows.iter().filter(|row| row.fault == fault && row.spared.is_none()).collect();
        let mut gaps: Vec<Duration> = own.iter().filter_map(|row| row.gap).collect();
        gaps.sort_unstable();
        let seconds = |gap: Option<&Duration>| {
            gap.map_or("–".to_owned(), |gap| format!("{:.2} s", gap.as_secs_f64()))
        };
        let lost = own.iter().map(|row| row.lost).max().unwrap_or_default();
        let both: usize = own.iter().map(|row| row.both).sum();
        let (middle, longest) = (seconds(gaps.get(gaps.len() / 2)), seconds(gaps.last()));
        let _ = writeln!(table, "| {fault} | {} | {middle} | {longest} | {lost} | {both} |", own.len());
    }
    table
}

/// Writes the table, if a report is asked for.
pub(crate) fn publish(rows: &[Row], all: usize) {
    if std::env::var_os("VALKEEPER_REPORT").is_none() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/failover.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- matrix -->\n", "<!-- end of matrix -->");
    let (before, rest) = page.split_once(begin).expect("the page has the table");
    let (_, after) = rest.split_once(end).expect("the table ends");
    std::fs::write(&path, format!("{before}{begin}\n{}\n{end}{after}", table(rows, all))).unwrap();
}
