//! `valkeeper validate`: judges manifests without a cluster, by the rules of the API server and the operator.
//!
//! What `kubectl` would read is what is judged: several documents per file, lists, merge keys, and plain words
//! such as `off` as booleans. Resources of other kinds are passed over. Rules about changes to an existing
//! resource cannot be checked here.

mod documents;
mod locate;

use self::documents::Document;
use crate::api::{
    Custom as _, GROUP, Kind, ProjectVpc, VERSION, Violation,
    field_path::FieldPath,
    names,
    validate::{validate_manifest, validate_vpc_manifest},
};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use std::{
    fmt,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The flags of `valkeeper validate`.
#[derive(Args, Debug)]
pub(super) struct Validate {
    /// Files, folders with .yaml, .yml and .json files, or - for standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    paths: Vec<PathBuf>,

    /// How to write what was found: lines on standard error, or a JSON list on standard output
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Validate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let report = validate_manifests(&self.paths)?;
        match self.output {
            Output::Text => {
                for finding in &report.findings {
                    writeln!(io::stderr(), "{finding}")?;
                }
                if report.judged == 0 && report.findings.is_empty() {
                    writeln!(io::stderr(), "no Valkey, Redis or ProjectVPC resources found")?;
                }
            }
            Output::Json => writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report.findings)?)?,
        }
        Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// How many findings of one resource get the position of their field: each costs another look at the file.
const EXACT: usize = 100;

/// What a check of manifests came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Everything that is wrong, in the order of the files.
    pub findings: Vec<Finding>,
    /// How many resources were judged.
    pub judged: usize,
}

/// A violation and where it is.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The file, or `-`.
    pub path: String,
    /// Line in the file, counted from 1.
    pub line: usize,
    /// Column in the line, counted from 1.
    pub column: usize,
    /// Kind of the resource; empty when the file cannot be read as manifests.
    pub kind: String,
    /// Name of the resource.
    pub name: String,
    /// What is wrong.
    #[serde(flatten)]
    pub violation: Violation,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: ", self.path, self.line, self.column)?;
        if self.kind.is_empty() {
            return formatter.write_str(&self.violation.rule);
        }
        // A name may hold anything until the API server has seen it.
        write!(formatter, "{}/{}: {}", self.kind, self.name.escape_debug(), self.violation)
    }
}

/// Judges every `Valkey`, `Redis` and `ProjectVPC` in these files and folders; `-` is standard input.
///
/// # Errors
/// When a file or folder cannot be read. What is wrong inside a file is a finding.
pub fn validate_manifests(paths: &[PathBuf]) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            report.judge("-", &text);
            continue;
        }
        for file in manifests(path)? {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            report.judge(&file.display().to_string(), &text);
        }
    }
    Ok(report)
}

/// The file itself, or the manifests in a folder and those below it, sorted.
fn manifests(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let context = || format!("cannot read {}", path.display());
    if !path.metadata().with_context(context)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir().with_context(context)? {
        let entry = entry.with_context(context)?;
        let manifest = entry.path().extension().is_some_and(|extension| {
            ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        // A link to a folder could lead back up.
        if entry.file_type().with_context(context)?.is_dir() {
            files.extend(manifests(&entry.path())?);
        } else if manifest {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

impl Report {
    /// Judges the documents of one file.
    pub fn judge(&mut self, path: &str, text: &str) {
        for document in documents::read(text) {
            match document {
                Ok(document) => self.resource(path, &document, &document.content, &FieldPath::default()),
                Err(broken) => self.findings.push(Finding {
                    path: path.to_owned(),
                    line: broken.line,
                    column: broken.column,
                    kind: String::new(),
                    name: String::new(),
                    violation: Violation {
                        field: FieldPath::default(),
                        value: String::new(),
                        rule: broken.reason,
                    },
                }),
            }
        }
    }

    /// Judges one resource, or each item of a list of them; `at` is where it is in the document.
    fn resource(&mut self, path: &str, document: &Document<'_>, resource: &Value, at: &FieldPath) {
        let text = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("kind").ends_with("List") {
            for (index, item) in
                resource.get("items").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                self.resource(path, document, item, &at.key("items").index(index));
            }
            return;
        }
        let (group, version) = text("apiVersion").split_once('/').unwrap_or_default();
        let kind = text("kind");
        let mut violations = match Kind::ALL.into_iter().find(|known| kind == known.name()) {
            _ if group != GROUP => return,
            Some(service) => validate_manifest(service, resource),
            None if kind == ProjectVpc::NAME => validate_vpc_manifest(resource),
            None => return,
        };
        self.judged += 1;
        if version != VERSION {
            violations.push(violation(&["apiVersion"], format!("must be `{GROUP}/{VERSION}`")));
        }
        violations.extend(names_and_policy(resource));
        let first = self.findings.len();
        for (count, violation) in violations.into_iter().enumerate() {
            let field = if count < EXACT { at.join(&violation.field) } else { at.clone() };
            let (line, column) = document.position(&field);
            let name = resource.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let (kind, name) = (kind.to_owned(), name.to_owned());
            self.findings.push(Finding { path: path.to_owned(), line, column, kind, name, violation });
        }
        self.findings[first..].sort_by_key(|finding| (finding.line, finding.column));
    }
}

/// What only matters to a manifest: it has a name, and its annotations mean something.
fn names_and_policy(resource: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    let metadata = resource.get("metadata");
    let has =
        |key: &str| metadata.and_then(|metadata| metadata.get(key)).is_some_and(|value| !value.is_null());
    if !has("name") && !has("generateName") {
        found.push(violation(&["metadata", "name"], "is required".to_owned()));
    }
    let policy =
        metadata.and_then(|metadata| metadata.get("annotations")?.get(names::DELETION_POLICY)?.as_str());
    if policy.is_some_and(|policy| policy != names::DELETION_POLICY_ORPHAN && policy != "Delete") {
        let rule = format!("must be `{}` or `Delete`", names::DELETION_POLICY_ORPHAN);
        found.push(violation(&["metadata", "annotations", names::DELETION_POLICY], rule));
    }
    found
}

fn violation(field: &[&str], rule: String) -> Violation {
    Violation { field: FieldPath::of(field), value: String::new(), rule }
}
