//! The arrows between the modules point one way: `api ← engine ← controller`, `provider ← controller`,
//! `cluster ← controller`; and the core stays pure. Read from the sources, so that a new import shows.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{fs, path::Path};

/// Module, and what its sources must not mention.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    ("api", &["crate::engine", "crate::provider", "crate::cluster", "crate::controller", "tokio", "reqwest"]),
    (
        "engine",
        &[
            "crate::provider",
            "crate::cluster",
            "crate::controller",
            "crate::settings",
            "kube::",
            "reqwest",
            "tokio",
            "Utc::now",
            "Instant",
            "SystemTime",
            "async ",
            "std::fs",
            "std::env",
            "rand::",
        ],
    ),
    ("provider", &["crate::api", "crate::engine", "crate::cluster", "crate::controller", "kube::"]),
    ("cluster", &["crate::provider", "crate::controller", "reqwest"]),
];

#[test]
fn arrows_between_modules_point_one_way() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (module, forbidden) in FORBIDDEN {
        let files = rust_files(&sources.join(module));
        assert!(!files.is_empty(), "module {module} has no sources");
        for (path, text) in files {
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let found = forbidden.iter().find(|word| code.contains(**word));
                assert_eq!(found, None, "{path}:{}: {line}", number + 1);
            }
        }
    }
}

/// Files that read the wall clock: for times that people read, never to decide what to do.
const WALL_CLOCK: [&str; 9] = [
    "src/cluster/events.rs",
    "src/controller/malformed.rs",
    "src/controller/measure.rs",
    "src/controller/publish.rs",
    "src/controller/vpc.rs",
    "src/ha/lease.rs",
    "src/replaced.rs",
    "src/telemetry/fleet.rs",
    "src/telemetry/process.rs",
];

#[test]
fn the_wall_clock_decides_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, text) in rust_files(&root.join("src")) {
        let reads = ["Utc::now", "Local::now", "SystemTime::now", "Timestamp::now"];
        let reads = text.lines().any(|line| reads.iter().any(|clock| line.contains(clock)));
        let known = WALL_CLOCK.iter().any(|known| path.ends_with(known));
        assert!(!reads || known, "{path} reads a clock that can be set back");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "sandbox/src", "tests", "sandbox/tests"] {
        for (path, text) in rust_files(&root.join(folder)) {
            let generated = text.starts_with("// Written by the generator") || text.starts_with("//! ");
            assert!(generated, "{path} does not open with what it is for");
        }
    }
}

fn rust_files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

#[test]
fn no_field_of_a_log_line_hides_another() {
    // In JSON, a span is an object with its own name, and an event one with its message.
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (path, text) in rust_files(&sources) {
        for (number, line) in text.lines().enumerate() {
            let hides = (line.contains("fields(") && line.contains(" name ="))
                || (line.contains("tracing::") && line.contains(" message ="));
            assert!(!hides, "{path}:{}: {line}", number + 1);
        }
    }
}
