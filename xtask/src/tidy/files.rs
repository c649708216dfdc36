//! Rules for the text of each source file, and their sizes.

use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};
use syn::{
    Attribute, ImplItemFn, ItemFn, Signature,
    spanned::Spanned as _,
    visit::{self, Visit},
};

/// Folders with sources.
const FOLDERS: [&str; 6] = ["src", "crates", "fuzz", "sandbox", "tests", "xtask"];

/// The longest file, function and name of a test that need no reason.
const MAX_FILE: usize = 300;
const MAX_FUNCTION: usize = 40;
const MAX_TEST_NAME: usize = 60;

/// How many there are that are longer. These numbers only shrink.
const LONG_FILES: usize = 24;
const LONG_TEST_NAMES: usize = 94;

/// Folder, and words that its code must not contain.
const FORBIDDEN_WORDS: [(&str, &[&str]); 5] = [
    ("crates/engine/src", &["Utc::now", "Instant", "SystemTime", "async ", "std::fs", "std::env"]),
    ("crates/failover/src", &["Utc::now", "Instant", "SystemTime", "async ", "std::fs", "std::env"]),
    ("crates/cluster/src", &["Utc::now", "Instant", "SystemTime", "async ", "std::fs", "std::env"]),
    (
        "src/provider",
        &["valkeeper_api", "valkeeper_engine::", "crate::cluster", "crate::controller", "kube::"],
    ),
    ("src/cluster", &["crate::provider", "crate::controller", "reqwest"]),
];
/// Every module may use the classes of failures.
const SHARED: &str = "valkeeper_engine::failure";

/// Files that read the wall clock: for times that people read, never to decide what to do.
const WALL_CLOCK: [&str; 16] = [
    "src/cluster/events.rs",
    "src/controller/managed_service/measure.rs",
    "src/controller/managed_service/publish.rs",
    "src/controller/project_vpc/publish.rs",
    "src/controller/service_user/publish.rs",
    "src/controller/valkey_cluster/clock.rs",
    "src/controller/watch/malformed.rs",
    "src/ha/lease.rs",
    // They only print its content.
    "src/cli/inspect/backups.rs",
    "src/cli/inspect/doctor/operator.rs",
    "src/cli/inspect/doctor/finalizers.rs",
    "src/cli/inspect/plan/cluster.rs",
    "src/cli/inspect/report.rs",
    "src/aiven_operator.rs",
    "src/telemetry/fleet.rs",
    "src/telemetry/process.rs",
];
/// What reads it, and where that matters.
const CLOCKS: [&str; 4] = ["Utc::now", "Local::now", "SystemTime::now", "Timestamp::now"];
const TIMELESS: [&str; 4] = ["src/", "crates/api/src/", "crates/cluster/src/", "crates/engine/src/"];

/// A source file; its path is relative to the repository.
#[derive(Debug)]
pub(crate) struct Source {
    path: String,
    text: String,
}

/// All source files, sorted by path.
pub(crate) fn read(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        for file in rust_files(&root.join(folder))? {
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let path = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries.collect::<Result<Vec<_>, _>>()? {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What is wrong with the sources.
pub(crate) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let mut wrong: Vec<String> = sources.iter().flat_map(faults).collect();
    let sizes = Sizes::of(sources)?;
    wrong.extend(over(&sizes.files, LONG_FILES, &format!("files of more than {MAX_FILE} lines")));
    let names = format!("tests whose names have more than {MAX_TEST_NAME} letters");
    wrong.extend(over(&sizes.test_names, LONG_TEST_NAMES, &names));
    Ok(wrong)
}

/// Complains if there are more than `limit`.
fn over(found: &[(usize, String)], limit: usize, what: &str) -> Option<String> {
    let shown =
        || found.iter().map(|(size, place)| format!("\n  {size:5} {place}")).collect::<Vec<_>>().concat();
    (found.len() > limit).then(|| format!("{} {what}, {limit} are allowed:{}", found.len(), shown()))
}

/// What is wrong with one file.
fn faults(source: &Source) -> Vec<String> {
    let Source { path, text } = source;
    let mut wrong = Vec::new();
    if !text.starts_with("//! ") && !text.starts_with("// Written by the generator") {
        wrong.push(format!("{path} does not open with what it is for"));
    }
    let timeless = TIMELESS.iter().any(|folder| path.starts_with(folder));
    if timeless && !WALL_CLOCK.contains(&path.as_str()) && CLOCKS.iter().any(|clock| text.contains(clock)) {
        wrong.push(format!("{path} reads a clock that can be set back"));
    }
    let words = FORBIDDEN_WORDS.iter().filter(|(folder, _)| path.starts_with(&format!("{folder}/")));
    let words: Vec<_> = words.flat_map(|(_, words)| *words).collect();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default().replace(SHARED, "");
        if let Some(word) = words.iter().find(|word| code.contains(**word)) {
            wrong.push(format!("{path}:{}: {word} has no place here", number + 1));
        }
        if path.starts_with("src/") && hides_a_field(&code) {
            wrong.push(format!("{path}:{}: a field of this name hides another in a log line", number + 1));
        }
    }
    wrong
}

/// In JSON, a span is an object with its own name, and an event one with its message.
fn hides_a_field(line: &str) -> bool {
    (line.contains("fields(") && line.contains(" name ="))
        || (line.contains("tracing::") && line.contains(" message ="))
}

/// What is longer than it should be, longest first.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    files: Vec<(usize, String)>,
    functions: Vec<(usize, String)>,
    test_names: Vec<(usize, String)>,
}

impl Sizes {
    /// Of all sources.
    pub(crate) fn of(sources: &[Source]) -> Result<Self> {
        let mut sizes = Self::default();
        for Source { path, text } in sources {
            let lines = text.lines().count();
            if lines > MAX_FILE {
                sizes.files.push((lines, path.clone()));
            }
            let tree = syn::parse_file(text).with_context(|| path.clone())?;
            Functions { path, sizes: &mut sizes }.visit_file(&tree);
        }
        for found in [&mut sizes.files, &mut sizes.functions, &mut sizes.test_names] {
            found.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        }
        Ok(sizes)
    }

    /// For people to read.
    pub(crate) fn report(&self) -> String {
        let part = |what: String, found: &[(usize, String)]| {
            let lines = found
                .iter()
                .map(|(size, place)| format!("\n  {size:5} {place}"))
                .collect::<Vec<_>>()
                .concat();
            format!("{} {what}{lines}\n", found.len())
        };
        [
            part(format!("files of more than {MAX_FILE} lines"), &self.files),
            part(format!("functions of more than {MAX_FUNCTION} lines"), &self.functions),
            part(format!("tests whose names have more than {MAX_TEST_NAME} letters"), &self.test_names),
        ]
        .concat()
    }
}

/// Measures the functions of one file.
struct Functions<'s> {
    path: &'s str,
    sizes: &'s mut Sizes,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &Signature, block: &syn::Block, attributes: &[Attribute]) {
        let (name, span) = (signature.ident.to_string(), block.span());
        let lines = span.end().line + 1 - signature.span().start().line;
        let place = format!("{}:{}: {name}", self.path, signature.span().start().line);
        if lines > MAX_FUNCTION {
            self.sizes.functions.push((lines, place.clone()));
        }
        let is_test = attributes
            .iter()
            .any(|attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "test"));
        // Scenarios are turned into tests by a macro.
        let may_be_test = is_test || self.path.contains("tests/");
        if may_be_test && name.chars().count() > MAX_TEST_NAME {
            self.sizes.test_names.push((name.chars().count(), place));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig, &function.block, &function.attrs);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig, &function.block, &function.attrs);
        visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn each_broken_rule_is_reported() {
        for (path, text, complaint) in [
            ("src/a.rs", "fn a() {}", "does not open with"),
            ("src/a.rs", "//! A.\nfn a() { Utc::now(); }", "can be set back"),
            ("crates/engine/src/a.rs", "//! A.\nuse std::fs;", "std::fs has no place"),
            ("src/provider/a.rs", "//! A.\nuse kube::Client;", "kube:: has no place"),
            ("src/a.rs", "//! A.\ntracing::info!(a = 1, message = 2);", "hides another"),
        ] {
            let found = faults(&source(path, text));
            assert!(found.len() == 1 && found[0].contains(complaint), "{path}: {found:?}");
        }
    }

    #[test]
    fn allowed_sources_are_accepted() {
        for (path, text) in [
            ("src/ha/lease.rs", "//! A.\nfn a() { Utc::now(); }"),
            ("src/provider/a.rs", "//! A.\nuse valkeeper_engine::failure::Class;\n// kube::Client"),
            ("crates/testbed/src/a.rs", "//! A.\nfn a() { Utc::now(); }"),
        ] {
            assert_eq!(faults(&source(path, text)), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn long_functions_and_test_names_are_counted() {
        let long = "a".repeat(MAX_TEST_NAME + 1);
        let body = "let a = 1;\n".repeat(MAX_FUNCTION);
        let text = format!("//! A.\n#[test]\nfn {long}() {{}}\nfn b() {{\n{body}}}\n");
        let sizes = Sizes::of(&[source("src/a.rs", &text)]).unwrap();
        assert_eq!(sizes.functions, [(MAX_FUNCTION + 2, "src/a.rs:4: b".to_owned())]);
        assert_eq!(sizes.test_names, [(MAX_TEST_NAME + 1, format!("src/a.rs:3: {long}"))]);
        assert!(
            over(&sizes.test_names, 0, "names")
                .is_some_and(|text| text.starts_with("1 names, 0 are allowed"))
        );
        assert_eq!(over(&sizes.test_names, 1, "names"), None);
    }
}
