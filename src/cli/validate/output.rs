//! How findings are written: as lines, as JSON, as annotations of a GitHub workflow, or as SARIF.

use super::{
    finding::{Check, Finding, Severity},
    report::Report,
};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::io::{self, Write};

/// The output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Lines on standard error
    Text,
    /// A list on standard output
    Json,
    /// Annotations of a GitHub workflow, on standard output
    Github,
    /// SARIF 2.1.0 on standard output, for code scanning
    Sarif,
}

impl Output {
    /// Writes what was found. A summary goes to standard error in the formats that people read.
    pub(super) fn write(self, report: &Report) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Text => {
                for finding in &report.findings {
                    writeln!(io::stderr(), "{finding}")?;
                }
            }
            Self::Json => writeln!(out, "{:#}", json!(report.findings))?,
            Self::Github => {
                for finding in &report.findings {
                    writeln!(out, "{}", annotation(finding))?;
                }
            }
            Self::Sarif => writeln!(out, "{:#}", sarif(&report.findings))?,
        }
        if matches!(self, Self::Text | Self::Github) {
            writeln!(io::stderr(), "{}", summary(report))?;
        }
        Ok(())
    }
}

/// `checked 3 resources in 2 files, skipped 1: 2 errors, 1 warning`.
fn summary(report: &Report) -> String {
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let of = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let found = match (errors, warnings) {
        (0, 0) => "no findings".to_owned(),
        (errors, 0) => count(errors, "error"),
        (0, warnings) => count(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    let checked = format!("{} in {}", count(report.judged, "resource"), count(report.files, "file"));
    format!("checked {checked}, skipped {}: {found}", report.skipped)
}

/// A command of GitHub Actions that puts a finding beside its line.
fn annotation(finding: &Finding) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let level = if finding.severity == Severity::Error { "error" } else { "warning" };
    let title = match finding.resource() {
        none if none.is_empty() => "valkeeper validate".to_owned(),
        resource => resource,
    };
    let (file, title) = (property(&finding.path), property(&title));
    let Finding { line, column, .. } = finding;
    format!("::{level} file={file},line={line},col={column},title={title}::{}", escape(&finding.message()))
}

/// A log with one run, as <https://docs.oasis-open.org/sarif/sarif/v2.1.0/> defines it.
fn sarif(findings: &[Finding]) -> Value {
    let level = |severity| if severity == Severity::Error { "error" } else { "warning" };
    let rules: Vec<_> = Check::ALL
        .into_iter()
        .map(|(check, text)| json!({"id": check.name(), "shortDescription": {"text": text}}))
        .collect();
    let results: Vec<_> = findings
        .iter()
        .map(|finding| {
            let resource = Some(finding.resource()).filter(|resource| !resource.is_empty());
            let text = resource.map(|resource| resource + ": ").unwrap_or_default() + &finding.message();
            json!({
                "ruleId": finding.check.name(),
                "level": level(finding.severity),
                "message": {"text": text},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": finding.path.replace('\\', "/")},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }}],
            })
        })
        .collect();
    let driver = json!({"name": "valkeeper validate", "version": env!("CARGO_PKG_VERSION"), "rules": rules});
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    })
}
