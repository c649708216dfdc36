//! A shell as a reader has it: in a folder with the files of the repository, with the programs on the `PATH`
//! and a sandbox behind `kubectl`. Guarantees that nothing outlives it.

use crate::page::repository;
use regex::Regex;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
use valkeeper_testbed::tools::{self, Tool};

/// Longest wait for a block, or for a sandbox.
const PATIENCE: Duration = Duration::from_mins(3);

/// What stands in pages for something of the reader's.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("YOUR-TOKEN", "sandbox-token"),
    ("YOUR-IMAGE", "example.com/valkeeper"),
    ("NAME", "my-valkey"),
    ("NAMESPACE", "default"),
    ("DIR", "examples"),
    ("FILE", "examples/valkey.yaml"),
    ("FOLDER", "examples"),
    ("KIND", "valkeys"),
    ("COMMAND", "validate"),
];

/// The operator's program; `None` after reporting that it is not built.
pub(crate) fn valkeeper() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_valkeeper-sandbox")).with_file_name("valkeeper");
    if !program.exists() {
        tools::skip("valkeeper", "build the whole workspace, for the program valkeeper");
        return None;
    }
    Some(program)
}

/// The same, where there is what every page needs.
pub(crate) fn programs() -> Option<PathBuf> {
    tools::KUBECTL.or_skip()?;
    tools::BASH.or_skip()?;
    valkeeper()
}

pub(crate) struct Shell {
    folder: TempDir,
    path: std::ffi::OsString,
    _sandbox: Child,
}

impl Shell {
    /// Starts a sandbox, and waits until its examples are ready.
    pub(crate) async fn start(valkeeper: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["examples", "charts", "crds"] {
            link(&repository(name).canonicalize().unwrap(), &folder.path().join(name));
        }
        let programs = folder.path().join("programs");
        std::fs::create_dir(&programs).unwrap();
        let sandbox = Path::new(env!("CARGO_BIN_EXE_valkeeper-sandbox"));
        link(sandbox, &programs.join("valkeeper-sandbox"));
        link(valkeeper, &programs.join("valkeeper"));
        link(valkeeper, &programs.join("kubectl-valkeeper"));
        if let Some(helm) = tools::HELM.find() {
            link(&helm, &programs.join("helm"));
        }
        let mut path = programs.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let mut command = Command::new(sandbox);
        command.args(["--build-time", "500ms", "--kubeconfig"]).arg(folder.path().join("kubeconfig"));
        let mut sandbox = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(sandbox.stdout.take().unwrap()).lines();
        let watching = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.starts_with("Watching") {
                    return true;
                }
            }
            false
        };
        let up = tokio::time::timeout(PATIENCE, watching).await.expect("the sandbox does not come up");
        assert!(up, "the sandbox has ended");
        // The pipe stays open while the sandbox writes into it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { folder, path, _sandbox: sandbox }
    }

    /// What it prints, in either case.
    pub(crate) async fn run(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        for (placeholder, value) in PLACEHOLDERS {
            let whole = Regex::new(&format!(r"\b{placeholder}\b")).unwrap();
            text = whole.replace_all(&text, *value).into_owned();
        }
        let mut command = Command::new(tools::BASH.or_skip().unwrap_or_else(|| "bash".into()));
        command.args(["-euo", "pipefail", "-c", &text]).kill_on_drop(true);
        command.current_dir(self.folder.path()).env("PATH", &self.path).env("HOME", self.folder.path());
        let kubeconfig = self.folder.path().join("kubeconfig");
        let provider = std::fs::read_to_string(&kubeconfig).unwrap_or_default();
        let provider =
            provider.lines().find_map(|line| line.strip_prefix("# Provider: ")).unwrap_or_default();
        command.env("AIVEN_WEB_URL", provider).env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
        let Ok(output) = tokio::time::timeout(PATIENCE, command.output()).await else {
            return Err("it does not end".to_owned());
        };
        let output = output.unwrap();
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(printed) } else { Err(printed) }
    }
}

/// Whether a command needs a program that is not here. Reports it.
pub(crate) fn lacks_tools(command: &str) -> bool {
    let lacks = |tool: &&Tool| tool.is_used_by(command) && tool.or_skip().is_none();
    tools::ALL.iter().copied().any(|tool| lacks(&tool))
        || (tools::needs_server(command) && !tools::server_or_skip())
}

fn link(target: &Path, name: &Path) {
    std::os::unix::fs::symlink(target, name).unwrap();
}
