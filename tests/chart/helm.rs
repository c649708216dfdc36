//! Runs `helm` in the repository, with folders of its own instead of the user's.

use crate::repository;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use valkeeper_testbed::tools;

/// A Helm without a cluster, or with one.
pub(crate) struct Helm {
    program: PathBuf,
    folder: TempDir,
}

impl Helm {
    /// `None`, with a message, when it is missing.
    pub(crate) fn find() -> Option<Self> {
        let program = tools::HELM.or_skip()?;
        Some(Self { program, folder: tempfile::tempdir().unwrap() })
    }

    /// Where the program is.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// What the command prints; `None` for a cluster means that none can be reached.
    pub(crate) fn try_run(&self, cluster: Option<&Path>, line: &str) -> Result<String, String> {
        let nowhere = self.folder.path().join("no-cluster");
        let output = Command::new(&self.program)
            .args(line.split_whitespace())
            .env("KUBECONFIG", cluster.unwrap_or(&nowhere))
            .env("HELM_CACHE_HOME", self.folder.path())
            .env("HELM_CONFIG_HOME", self.folder.path())
            .env("HELM_DATA_HOME", self.folder.path())
            .current_dir(repository(""))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        if output.status.success() { Ok(text) } else { Err(format!("{text}{errors}")) }
    }

    pub(crate) fn run(&self, cluster: Option<&Path>, line: &str) -> String {
        self.try_run(cluster, line).unwrap_or_else(|error| panic!("helm {line}\n{error}"))
    }
}
