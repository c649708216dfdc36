//! A server beside that of the instance, for a question that only a server answers. No client reaches it: it listens on a
//! Unix socket alone. It ends when it is dropped.

use crate::{server_config, settings::TlsFiles};
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::{Child, Command};

/// Databases of a server that declares no other number.
pub(crate) const DATABASES: u32 = 16;

/// Where a second server listens. On most systems, the path of a socket has 107 bytes at most: no name is longer than that of
/// the server itself, which fits.
pub(crate) fn socket(runtime_dir: &Path, purpose: Purpose) -> PathBuf {
    runtime_dir.join(match purpose {
        Purpose::Verification => "verify.sock",
        Purpose::Import => "import.sock",
        Purpose::TlsSupport => "tls.sock",
    })
}

/// What a second server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It reads a backup.
    Verification,
    /// It follows a running server.
    Import,
    /// It says whether the program has TLS.
    TlsSupport,
}

/// What a second server is started with.
#[derive(Clone, Copy)]
pub(crate) struct Scratch<'a> {
    /// Where the silent listener is.
    pub(crate) silent_port: u16,
    /// Where its data is; without data there, it starts empty.
    pub(crate) folder: &'a Path,
    /// The socket that it listens on.
    pub(crate) socket: &'a Path,
    /// How many databases it has.
    pub(crate) databases: u32,
    /// What it replicates with over TLS.
    pub(crate) tls: Option<&'a TlsFiles>,
}

/// Starts it.
pub(crate) fn start(program: &Path, scratch: Scratch<'_>) -> io::Result<Child> {
    let config = write_config(scratch)?;
    let mut command = Command::new(program);
    command.arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn()
}

/// Writes its configuration; answers where that is.
pub(crate) fn write_config(scratch: Scratch<'_>) -> io::Result<PathBuf> {
    let _ = std::fs::remove_file(scratch.socket);
    let config = scratch.folder.join("server.conf");
    std::fs::write(&config, server_config::scratch(scratch))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn socket_is_no_longer_than_that_of_the_server() {
        let settings: Settings = serde_yaml::from_str(
            "{name: a, pod: u, dataDir: /data, runtimeDir: /run/v, health: '127.0.0.1:1', lease: alone,
              control: {address: '127.0.0.1:2'}, server: {program: valkey-server, host: a}}",
        )
        .unwrap();
        let longest = server_config::socket(&settings).as_os_str().len();
        for purpose in [Purpose::Verification, Purpose::Import, Purpose::TlsSupport] {
            assert!(socket(&settings.runtime_dir, purpose).as_os_str().len() <= longest, "{purpose:?}");
        }
    }
}
