//! The files of a run: the kubeconfig and the operator's log. Guarantees that only the user can read
//! the kubeconfig, that a kubeconfig which the sandbox did not write is never overwritten, and that
//! the files are gone at the end unless they are to be kept.

use super::options::Options;
use crate::ctl::PROVIDER_NOTE;
use anyhow::{Context as _, bail};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Marker of a kubeconfig that the sandbox wrote.
const MARK: &str = "# Written by valkeeper-sandbox";

/// Paths of the files of this run.
pub(crate) struct Files {
    folder: Option<TempDir>,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) log: PathBuf,
    /// This program, by the name that pods of self-hosted clusters call it.
    pub(crate) manager: PathBuf,
    /// The certificate authority of real servers.
    pub(crate) authority: PathBuf,
    keep: bool,
}

impl Files {
    pub(crate) fn prepare(options: &Options) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("valkeeper-sandbox-").tempdir()?;
        let kubeconfig = match &options.kubeconfig {
            Some(path) => std::path::absolute(path)?,
            None => folder.path().join("kubeconfig"),
        };
        let (log, authority) = (folder.path().join("operator.log"), folder.path().join("ca.pem"));
        let manager = folder.path().join("valkeeper");
        symlink(std::env::current_exe()?, &manager)?;
        Ok(Self { folder: Some(folder), kubeconfig, log, manager, authority, keep: options.keep_files })
    }

    /// Opens the log for writing.
    pub(crate) fn create_log(&self) -> anyhow::Result<File> {
        File::create(&self.log).with_context(|| format!("cannot write {}", self.log.display()))
    }

    /// Writes the kubeconfig, which also contains the address of the provider, if there is one.
    pub(crate) fn write_kubeconfig(&self, content: &str, provider: &str) -> anyhow::Result<()> {
        let path = &self.kubeconfig;
        if path.exists() && !is_ours(path) {
            bail!("{} exists and was not written by the sandbox: choose another file", path.display());
        }
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            write!(file, "{MARK}\n{PROVIDER_NOTE}{provider}\n{content}")
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|content| content.starts_with(MARK))
}

impl Drop for Files {
    fn drop(&mut self) {
        if self.keep {
            if let Some(folder) = self.folder.take() {
                let _ = folder.keep();
            }
        } else if is_ours(&self.kubeconfig) {
            // The server it leads to is gone.
            let _ = fs::remove_file(&self.kubeconfig);
        }
    }
}
