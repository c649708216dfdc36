//! What the runs of the matrix showed, as the table of `docs/failover.md`. Nothing there is typed by hand.

use crate::cell::Row;
use crate::matrix::FAULTS;
use std::collections::BTreeMap;
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

/// Whether the runs are on a real API server.
pub(crate) fn is_real() -> bool {
    std::env::var("VALKEEPER_API").is_ok_and(|api| api == "real")
}

/// Writes the table, if a report is asked for: of these rows, and of those of earlier runs for the other cells.
pub(crate) fn publish(rows: Vec<Row>, all: usize) {
    if std::env::var_os("VALKEEPER_REPORT").is_none() {
        return;
    }
    let name = if is_real() { "matrix on a real API server" } else { "matrix" };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = root.join("target").join(format!("{name}.json"));
    let earlier: Vec<Row> =
        std::fs::read(&kept).map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default();
    let cell = |row: Row| ((row.scenario.clone(), row.fault.clone()), row);
    let rows: BTreeMap<_, _> = earlier.into_iter().chain(rows).map(cell).collect();
    let rows: Vec<Row> = rows.into_values().collect();
    std::fs::write(kept, serde_json::to_vec(&rows).unwrap()).unwrap();

    let path = root.join("docs/failover.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&begin).expect("the page has the table");
    let (_, after) = rest.split_once(&end).expect("the table ends");
    std::fs::write(&path, format!("{before}{begin}\n{}\n{end}{after}", table(&rows, all))).unwrap();
}
