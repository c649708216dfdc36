//! The charts: what Helm makes of them, that a real API server takes it, and that alerts, dashboard and
//! runbook fit the operator. Needs `helm` (or its path in `HELM`), `promtool` and `KUBEBUILDER_ASSETS`;
//! tests report what is missing and are skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod cluster;
mod clusters;
mod helm;
mod install;
mod migration;
mod monitoring;
mod render;
mod upgrade;

/// A file or folder of the repository.
fn repository(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap()
}
