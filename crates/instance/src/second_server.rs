//! A server beside that of the instance, for a question that only a server answers. No client reaches it: it listens on a
//! Unix socket alone. It ends when it is dropped.

use crate::server_config;
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::{Child, Command};

/// Starts it with what is in this folder, and without data where there is none. `silent_port` is where the silent
/// listener is.
pub(crate) fn start(program: &Path, silent_port: u16, folder: &Path, socket: &Path) -> io::Result<Child> {
    let config = write_config(silent_port, folder, socket)?;
    let mut command = Command::new(program);
    command.arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn()
}

/// Writes its configuration; answers where that is.
pub(crate) fn write_config(silent_port: u16, folder: &Path, socket: &Path) -> io::Result<PathBuf> {
    let _ = std::fs::remove_file(socket);
    let config = folder.join("server.conf");
    std::fs::write(&config, server_config::scratch(folder, socket, silent_port))?;
    Ok(config)
}
