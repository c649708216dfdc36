//! `valkeeper validate`: judges manifests without a cluster, by the rules of the API server and the operator.
//!
//! What `kubectl` would read is what is judged (`super::manifests`): several documents per file, lists, and YAML 1.1.
//! Resources of other kinds are skipped and counted. Rules about changes to an existing resource cannot be checked
//! here.

mod finding;
mod kinds;
mod output;
mod report;
mod together;

use self::output::Output;
pub use self::{
    finding::{Check, Finding, Severity},
    report::Report,
};
use super::manifests;
use anyhow::Context as _;
use clap::Args;
use std::{
    collections::BTreeSet,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The flags of `valkeeper validate`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  no errors
  1  errors, or a file that cannot be read; with --strict also warnings, or nothing to check
  2  wrong usage

Examples:
  valkeeper validate manifests/
  helm template . | valkeeper validate --strict -")]
pub(super) struct Validate {
    /// Files, folders with .yaml, .yml and .json files, or - for standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    paths: Vec<PathBuf>,

    /// Output format
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,

    /// Fail on warnings too, and when there is nothing to check
    #[arg(long)]
    strict: bool,
}

impl Validate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let report = validate_manifests(&self.paths)?;
        self.output.write(&report)?;
        let fails = |finding: &Finding| self.strict || finding.severity == Severity::Error;
        let nothing = self.strict && report.judged == 0;
        Ok(if nothing || report.findings.iter().any(fails) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Judges every resource of the kinds of this operator in these files and folders; `-` is standard input.
///
/// # Errors
/// When a file or folder cannot be read. What is wrong inside a file is a finding.
pub fn validate_manifests(paths: &[PathBuf]) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let mut read = BTreeSet::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
            report.judge("-", &manifests::decode(&bytes));
            continue;
        }
        for file in files(path)? {
            let context = || format!("cannot read {}", file.display());
            let bytes = std::fs::read(&file).with_context(context)?;
            // A file that is named twice is not declared twice.
            if read.insert(file.canonicalize().with_context(context)?) {
                report.judge(&file.display().to_string(), &manifests::decode(&bytes));
            }
        }
    }
    Ok(report)
}

/// The file itself, or the manifests in a folder and those below it, sorted.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let context = || format!("cannot read {}", path.display());
    if !path.metadata().with_context(context)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in path.read_dir().with_context(context)? {
        let entry = entry.with_context(context)?;
        let manifest = entry.path().extension().is_some_and(|extension| {
            ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        // A link to a folder could lead back up.
        if entry.file_type().with_context(context)?.is_dir() {
            found.extend(files(&entry.path())?);
        } else if manifest {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
