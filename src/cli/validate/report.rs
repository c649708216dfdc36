//! Judges the documents of files, one after the other, and counts them. Guarantees that every document is a finding, a
//! judged resource or a skipped one; which files are read, and how findings are written, is decided elsewhere.

use super::{
    super::manifests::{self, Document},
    finding::{Check, Finding, Severity},
    kinds::{Meaning, Ours, meaning},
    together::Seen,
};
use serde_json::Value;
use valkeeper_api::{
    Violation,
    field_path::FieldPath,
    service_user,
    validate::{remarks, validate_manifest, validate_vpc_manifest, vpc_remarks},
    valkey_backup, valkey_cluster, valkey_scheduled_backup, valkey_user,
};

/// Result of a check of manifests.
#[derive(Debug, Default)]
pub struct Report {
    /// Everything that is wrong or remarkable, in the order of the files.
    pub findings: Vec<Finding>,
    /// How many resources were judged.
    pub judged: usize,
    /// How many resources of other kinds were skipped.
    pub skipped: usize,
    /// How many files were read.
    pub files: usize,
    /// The resources so far, with which later ones may conflict.
    seen: Vec<Seen>,
}

/// Where a resource stands.
#[derive(Clone, Copy)]
struct Place<'d> {
    path: &'d str,
    document: &'d Document,
}

impl Report {
    /// Judges the documents of one file.
    pub fn judge(&mut self, path: &str, text: &str) {
        self.files += 1;
        let before = self.judged;
        let mut others = Vec::new();
        for document in manifests::read(text) {
            match document {
                Ok(document) if is_manifest(&document.content) => {
                    let place = Place { path, document: &document };
                    self.resource(place, &document.content, &FieldPath::default(), None);
                }
                Ok(document) => others.push(document.position(&FieldPath::default())),
                Err(broken) => self.unreadable(path, (broken.line, broken.column), broken.reason),
            }
        }
        self.skipped += others.len();
        // YAML of other programs is no concern of ours, unless `kubectl` meets it in the middle of a file.
        if self.judged > before {
            for at in others {
                self.unreadable(
                    path,
                    at,
                    "kubectl needs an apiVersion and a kind in each document".to_owned(),
                );
            }
        }
    }

    fn unreadable(&mut self, path: &str, (line, column): (usize, usize), reason: String) {
        let sort = (Severity::Error, Check::Unreadable);
        self.findings.push(Finding { line, column, ..finding(path, &Value::Null, sort, whole(reason)) });
    }

    /// Judges one resource, or each item of a list of them; `at` is where it is in the document.
    fn resource(&mut self, place: Place<'_>, resource: &Value, at: &FieldPath, inherited: Option<Ours>) {
        let text = |key: &str| resource.get(key).and_then(Value::as_str);
        let first = self.findings.len();
        match meaning(text("apiVersion"), text("kind"), inherited) {
            Meaning::Foreign => {
                self.skipped += 1;
                // A manifest may declare the Secret that one of our resources writes.
                if (text("apiVersion"), text("kind")) == (Some("v1"), Some("Secret")) {
                    self.compare(place, resource, at, false);
                }
                return;
            }
            Meaning::Mistake(field, rule) => {
                self.judged += 1;
                let violation = Violation { field: FieldPath::of(&[field]), value: String::new(), rule };
                self.add(place, resource, at, (Severity::Error, Check::UnknownKind), violation);
            }
            Meaning::List(of) => return self.list(place, resource, at, of),
            Meaning::Resource(kind) => {
                self.judged += 1;
                let (violations, remarks) = match kind {
                    Ours::Service(kind) => (validate_manifest(kind, resource), remarks(kind, resource)),
                    Ours::Vpc => (validate_vpc_manifest(resource), vpc_remarks(resource)),
                    Ours::ServiceUser => (service_user::manifest_violations(resource), Vec::new()),
                    Ours::Cluster => {
                        (valkey_cluster::manifest_violations(resource), valkey_cluster::remarks(resource))
                    }
                    Ours::Backup => (valkey_backup::manifest_violations(resource), Vec::new()),
                    Ours::Schedule => (valkey_scheduled_backup::manifest_violations(resource), Vec::new()),
                    Ours::User => (valkey_user::manifest_violations(resource), Vec::new()),
                };
                for violation in violations {
                    self.add(place, resource, at, (Severity::Error, Check::InvalidField), violation);
                }
                for remark in remarks {
                    self.add(place, resource, at, (Severity::Warning, Check::PointlessField), remark);
                }
                self.compare(place, resource, at, kind != Ours::Vpc);
            }
        }
        if *at == FieldPath::default() {
            self.yaml(place, resource);
        }
        self.findings[first..].sort_by_key(|finding| (finding.line, finding.column));
    }

    fn list(&mut self, place: Place<'_>, list: &Value, at: &FieldPath, of: Option<Ours>) {
        let Some(items) = list.get("items").and_then(Value::as_array) else {
            let violation = Violation {
                field: FieldPath::of(&["items"]),
                value: String::new(),
                rule: "must be a list".to_owned(),
            };
            return self.add(place, list, at, (Severity::Error, Check::UnknownKind), violation);
        };
        if at.segments().len() > 1 {
            let rule = "kubectl does not read a list inside a list".to_owned();
            let violation = Violation { field: FieldPath::of(&["kind"]), value: String::new(), rule };
            return self.add(place, list, at, (Severity::Error, Check::UnknownKind), violation);
        }
        for (index, item) in items.iter().enumerate() {
            self.resource(place, item, &at.key("items").index(index), of);
        }
        if items.iter().any(|item| !item.is_object()) {
            let rule = "must hold resources only".to_owned();
            let violation = Violation { field: FieldPath::of(&["items"]), value: String::new(), rule };
            self.add(place, list, at, (Severity::Error, Check::UnknownKind), violation);
        }
    }

    /// What `kubectl` reads in another way than people do.
    fn yaml(&mut self, place: Place<'_>, resource: &Value) {
        for remark in &place.document.remarks {
            let sort = (Severity::Warning, Check::Yaml);
            let mut finding = finding(place.path, resource, sort, whole(remark.text.clone()));
            (finding.line, finding.column) = (remark.line, remark.column);
            self.findings.push(finding);
        }
    }

    /// Compares a resource with all before it.
    fn compare(&mut self, place: Place<'_>, resource: &Value, at: &FieldPath, service: bool) {
        let (line, _) = place.document.position(at);
        let Some(seen) = Seen::of(place.path, line, resource, service) else { return };
        // One is enough to act on.
        let conflicts = self.seen.iter().filter_map(|earlier| seen.conflict(earlier));
        if let Some(conflict) = conflicts.min_by_key(|conflict| conflict.severity) {
            let violation =
                Violation { field: FieldPath::of(conflict.field), value: String::new(), rule: conflict.rule };
            self.add(place, resource, at, (conflict.severity, Check::Conflict), violation);
        }
        self.seen.push(seen);
    }

    fn add(
        &mut self,
        place: Place<'_>,
        resource: &Value,
        at: &FieldPath,
        sort: (Severity, Check),
        violation: Violation,
    ) {
        let (line, column) = place.document.position(&at.join(&violation.field));
        self.findings.push(Finding { line, column, ..finding(place.path, resource, sort, violation) });
    }
}

/// Whether a document has at least one of the fields that identify a manifest.
fn is_manifest(content: &Value) -> bool {
    content.get("apiVersion").is_some() || content.get("kind").is_some()
}

/// A finding at the start of the file.
fn finding(
    path: &str,
    resource: &Value,
    (severity, check): (Severity, Check),
    violation: Violation,
) -> Finding {
    let text =
        |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    Finding { severity, check, path: path.to_owned(), line: 1, column: 1, kind, name, violation }
}

/// Something about no field in particular.
fn whole(rule: String) -> Violation {
    Violation { field: FieldPath::default(), value: String::new(), rule }
}
