//! A server beside that of the instance, for a question that only a server answers. No client reaches it: it listens on a
//! Unix socket alone. It ends when it is dropped.

use crate::server_config;
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::{Child, Command};

/// Databases of a server that declares no other number.
pub(crate) const DATABASES: u32 = 16;

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
