//! Runs a test in namespaces of its own: users, networks and mounts. Nothing of what it mounts or writes stays.

use std::io;
use std::process::Command;

use super::UNSHARE;

/// What such a test came to.
#[derive(Debug)]
pub struct Inside {
    /// Whether it ran and passed.
    pub passed: bool,
    /// Everything that it printed.
    pub printed: String,
}

/// Runs an ignored test of this program in namespaces of its own, with these variables besides. Without `unshare`, skips
/// the calling test.
///
/// # Errors
///
/// When the program cannot be started again.
pub fn in_namespaces(test: &str, variables: &[(&str, &str)]) -> io::Result<Option<Inside>> {
    let Some(unshare) = UNSHARE.or_skip() else { return Ok(None) };
    // Mounts in it end with the namespaces.
    let folder = tempfile::tempdir()?;
    let output = Command::new(unshare)
        .args(["--user", "--map-root-user", "--net", "--mount", "--"])
        // A new namespace has no loopback yet, where the API server listens.
        .args(["sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .env("TMPDIR", folder.path())
        .output()?;
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok(Some(Inside { passed: output.status.success() && printed.contains("1 passed"), printed }))
}
