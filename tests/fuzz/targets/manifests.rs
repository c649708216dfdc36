//! Files that a user checks before applying them: any text at all.

use std::str;
use valkeeper::cli::validate::Report;

/// The input is the file.
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let mut report = Report::default();
    report.judge("file.yaml", text);
    // To YAML, more than one character ends a line.
    let lines = 1 + text.chars().filter(|letter| "\n\r\u{85}\u{2028}\u{2029}".contains(*letter)).count();
    for finding in &report.findings {
        assert!((1..=lines + 1).contains(&finding.line), "{finding} in a file of {lines} lines");
        assert!(finding.column >= 1, "{finding}");
        let shown = finding.to_string();
        assert!(!shown.contains('\u{1b}'), "a terminal would act on {shown:?}");
    }
}
