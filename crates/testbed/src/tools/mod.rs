//! Optional programs of the machine that tests run: where each is found, and the one way to skip a test without it. A
//! test that requests a tool here succeeds without the program and reports what it did not test.

mod buckets;
mod certificates;
mod namespaces;
mod skip;
mod table;

pub use buckets::{AZURE_SERVER, S3_SERVER};
pub use certificates::{OPENSSL, VALKEY_WITHOUT_TLS};
pub use namespaces::{Inside, in_namespaces};
pub use skip::{REQUIRED, every_scenario_or_skip, skip};
pub use table::{
    ACTIONLINT, ALL, BASH, CHROMIUM, ENVTEST, FAKETIME, HELM, IOREDIS, JQ, KUBECTL, LUA, MDBOOK, NODE_REDIS,
    PROMETHEUS, PROMTOOL, REDIS_CLI, REDIS_PY, REDIS_SERVER, RUSTFMT, SETPRIV, SHELLCHECK, STRACE, UNSHARE,
    USE_SERVERS, VALKEY_CLI, VALKEY_GLIDE, VALKEY_SERVER,
};

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where a tool is searched for.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// A program of one of these names on the `PATH`, which succeeds with these arguments and prints what is
    /// wanted.
    Programs(&'static [&'static str], &'static [&'static str], fn(&str) -> bool),
    /// A file at one of these paths.
    Files(&'static [&'static str]),
    /// Only at the path in its variable.
    Variable,
}

/// An optional tool.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name in the documentation.
    pub name: &'static str,
    /// What to do to have it.
    pub advice: &'static str,
    /// The variable that holds its path, and takes precedence.
    pub variable: Option<&'static str>,
    /// Where it is otherwise.
    pub place: Place,
    /// The test programs that use it, each with the beginnings of the names of the tests that do.
    pub tests: &'static [(&'static str, &'static [&'static str])],
}

impl Tool {
    /// The path of the tool, if it is present and works.
    pub fn find(&self) -> Option<PathBuf> {
        let set = self.variable.and_then(std::env::var_os).filter(|path| !path.is_empty()).map(PathBuf::from);
        let or_else = |others: Vec<PathBuf>| set.clone().map_or(others, |path| vec![path]).into_iter();
        match self.place {
            Place::Programs(names, arguments, accepts) => {
                or_else(names.iter().flat_map(|name| on_path(name)).collect())
                    .find(|path| works(path, arguments, accepts))
            }
            Place::Files(paths) => {
                or_else(paths.iter().map(PathBuf::from).collect()).find(|path| path.exists())
            }
            Place::Variable => set,
        }
    }

    /// The path of the tool; without it, skips the calling test.
    ///
    /// # Panics
    ///
    /// Where [`REQUIRED`] lists the tool.
    pub fn or_skip(&self) -> Option<PathBuf> {
        let found = self.find();
        if found.is_none() {
            skip(self.name, self.advice);
        }
        found
    }

    /// Whether a shell command uses the tool: its name is a word of it.
    pub fn is_used_by(&self, command: &str) -> bool {
        let Place::Programs(names, ..) = self.place else { return false };
        let is_part = |character: char| character.is_alphanumeric() || "-_./".contains(character);
        command.split(|character| !is_part(character)).any(|word| names.contains(&word))
    }

    /// Hides the tool from a command, apart from its name on the `PATH`: see [`path_without`].
    pub fn hide_from(&self, command: &mut Command) {
        match (self.variable, self.place) {
            (Some(variable), Place::Files(_)) => drop(command.env(variable, "/nowhere")),
            (Some(variable), _) => drop(command.env_remove(variable)),
            (None, _) => {}
        }
    }
}

/// Whether there is a server of either kind, which the sandbox then uses for both; otherwise skips the test.
///
/// # Panics
///
/// Where [`REQUIRED`] lists the Valkey server.
pub fn server_or_skip() -> bool {
    REDIS_SERVER.find().or_else(|| VALKEY_SERVER.or_skip()).is_some()
}

/// Whether a shell command needs a server behind the sandbox's services: without one they have no certificate.
pub fn needs_server(command: &str) -> bool {
    command.contains("ctl ca")
}

/// Puts links to all programs of the `PATH` into `folder`, except those of the given tools. The folder is then
/// a `PATH` on which they are missing.
pub fn path_without(tools: &[&Tool], folder: &Path) -> std::io::Result<()> {
    let hidden: Vec<&str> = tools
        .iter()
        .filter_map(|tool| match tool.place {
            Place::Programs(names, ..) => Some(names),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    for source in std::env::split_paths(&path()) {
        for entry in std::fs::read_dir(source).into_iter().flatten().flatten() {
            let (name, link) = (entry.file_name(), folder.join(entry.file_name()));
            // As on a PATH, the first of a name counts.
            if !hidden.iter().any(|hidden| name == *hidden) && std::fs::symlink_metadata(&link).is_err() {
                std::os::unix::fs::symlink(entry.path(), link)?;
            }
        }
    }
    Ok(())
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

fn on_path(name: &str) -> Vec<PathBuf> {
    let folders = path();
    let candidates = std::env::split_paths(&folders).map(|folder| folder.join(name));
    candidates.filter(|path| path.is_file()).collect()
}

fn works(program: &Path, arguments: &[&str], accepts: fn(&str) -> bool) -> bool {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.is_ok_and(|output| {
        output.status.success() && accepts(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))
    })
}
