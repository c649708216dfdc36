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
    ("COMMAND", "validate"),
];

/// The programs of this repository, and those of others that are here.
pub(crate) struct Tools {
    pub(crate) valkeeper: PathBuf,
    helm: Option<PathBuf>,
}

/// Says what is missing; fails where everything should be there.
fn skip<T>(missing: &str) -> Option<T> {
    assert!(std::env::var_os("E2E_NO_SKIP").is_none(), "cannot be tested: {missing}");
    eprintln!("skipped: {missing}");
    None
}

pub(crate) fn tools() -> Option<Tools> {
    for program in ["kubectl", "jq"] {
        if find(program).is_none() {
            return skip(&format!("install {program}"));
        }
    }
    let valkeeper = Path::new(env!("CARGO_BIN_EXE_valkeeper-sandbox")).with_file_name("valkeeper");
    if !valkeeper.exists() {
        return skip("build the whole workspace, for the program valkeeper");
    }
    let helm = std::env::var_os("HELM").map(PathBuf::from).or_else(|| find("helm"));
    if helm.is_none() && std::env::var_os("CHART_NO_SKIP").is_some() {
        return skip("install helm");
    }
    Some(Tools { valkeeper, helm })
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.exists())
}

pub(crate) struct Shell {
    folder: TempDir,
    path: std::ffi::OsString,
    helm: bool,
    _sandbox: Child,
}

impl Shell {
    /// Starts a sandbox, and waits until its examples are ready.
    pub(crate) async fn start(tools: &Tools) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["examples", "charts", "crds"] {
            link(&repository(name).canonicalize().unwrap(), &folder.path().join(name));
        }
        let programs = folder.path().join("programs");
        std::fs::create_dir(&programs).unwrap();
        let sandbox = Path::new(env!("CARGO_BIN_EXE_valkeeper-sandbox"));
        link(sandbox, &programs.join("valkeeper-sandbox"));
        link(&tools.valkeeper, &programs.join("valkeeper"));
        link(&tools.valkeeper, &programs.join("kubectl-valkeeper"));
        if let Some(helm) = &tools.helm {
            link(helm, &programs.join("helm"));
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
        // Nobody closes the pipe while the sandbox writes into it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { folder, path, helm: tools.helm.is_some(), _sandbox: sandbox }
    }

    /// Whether a block needs a program that is not here. Says so.
    pub(crate) fn lacks(&self, text: &str) -> bool {
        let missing = if text.contains("helm ") && !self.helm {
            "helm"
        } else if text.contains("valkey-cli") && find("valkey-cli").is_none() {
            "valkey-cli"
        } else {
            return false;
        };
        eprintln!("skipped: a block needs {missing}");
        true
    }

    /// What it prints, in either case.
    pub(crate) async fn run(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        for (placeholder, value) in PLACEHOLDERS {
            let whole = Regex::new(&format!(r"\b{placeholder}\b")).unwrap();
            text = whole.replace_all(&text, *value).into_owned();
        }
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &text]).kill_on_drop(true);
        command.current_dir(self.folder.path()).env("PATH", &self.path).env("HOME", self.folder.path());
        command.env("KUBECONFIG", self.folder.path().join("kubeconfig")).stdin(Stdio::null());
        let Ok(output) = tokio::time::timeout(PATIENCE, command.output()).await else {
            return Err("it does not end".to_owned());
        };
        let output = output.unwrap();
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(printed) } else { Err(printed) }
    }
}

fn link(target: &Path, name: &Path) {
    std::os::unix::fs::symlink(target, name).unwrap();
}
