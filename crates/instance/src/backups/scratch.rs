//! Proves a backup: a second server, beside that of the instance or in a pod of its own, reads what was stored, and its
//! keys are counted.
//!
//! Guarantees: it is not started when the container may not have the memory for both, or the volume not the space; no client
//! reaches it; it is ended, and its files are removed, whatever happens. It starts as a replica of the silent listener, so
//! that it removes no expired key before they are counted.

use super::Verification;
use crate::{
    second_server::{self, Purpose, Scratch},
    space,
};
use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;
use valkeeper_backup::{BackupError, Manifest, Store, place};
use valkeeper_server::{Connection, Endpoint, Server};

/// Longest time until it has read everything.
const PATIENCE: Duration = Duration::from_mins(30);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(5);
/// The signal that no process survives.
const KILLED: i32 = 9;
/// Memory that the manager and both servers take besides their data.
const BESIDES: u64 = 64 << 20;

/// Where a second server is started.
#[derive(Clone, Copy)]
pub(super) struct Room<'a> {
    /// The pod, for people.
    pub(super) name: &'a str,
    /// The program of the server.
    pub(super) program: &'a Path,
    /// A folder on a volume.
    pub(super) data_dir: &'a Path,
    /// A folder with a short path.
    pub(super) runtime_dir: &'a Path,
    /// Where the silent listener is.
    pub(super) silent_port: u16,
    /// Bytes of memory of the container, which both servers must fit into; 0 for no limit.
    pub(super) memory_limit: u64,
    /// Bytes of data of the server that is there already.
    pub(super) used: u64,
}

/// Restores the backup into a second server and compares.
pub(super) async fn verify(room: Room<'_>, store: &Store, key: &str, manifest: &Manifest) -> Verification {
    let folder = Folder(room.data_dir.join("valkeeper-verify"));
    match attempt(room, store, key, manifest, &folder.0).await {
        Ok(keys) => judge(manifest, keys),
        Err(found) => found,
    }
}

fn judge(manifest: &Manifest, keys: BTreeMap<u32, u64>) -> Verification {
    let count: u64 = keys.values().sum();
    let Some(expected) = &manifest.keys else {
        let message = format!("A server read the backup and has {count} keys; the stream was not counted.");
        return Verification { verified: true, keys, message, ..Verification::default() };
    };
    let expected: BTreeMap<u32, u64> = expected
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(database, count)| (*database, *count))
        .collect();
    let verified = expected == keys;
    let message = if verified {
        format!("A server read the backup and has its {count} keys.")
    } else {
        format!(
            "A server read the backup and has {count} keys instead of {}.",
            expected.values().sum::<u64>()
        )
    };
    Verification { verified, keys, message, ..Verification::default() }
}

/// The keys of a server that was started from what is stored.
async fn attempt(
    room: Room<'_>,
    store: &Store,
    key: &str,
    manifest: &Manifest,
    folder: &Path,
) -> Result<BTreeMap<u32, u64>, Verification> {
    room.check_memory(manifest)?;
    let failed = |error: BackupError| Verification::of(&error, true);
    let io =
        |error: std::io::Error| Verification::inconclusive(format!("Cannot start a second server: {error}."));
    // Of an earlier attempt that was ended in the middle.
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).map_err(io)?;
    room.check_space(folder, manifest)?;
    let dump = folder.join("fetched");
    store.fetch(key, manifest, &dump).await.map_err(failed)?;
    place::place(&dump, folder, false).map_err(failed)?;
    let socket = second_server::socket(room.runtime_dir, Purpose::Verification);
    let scratch = Scratch {
        silent_port: room.silent_port,
        folder,
        socket: &socket,
        databases: databases(manifest),
        tls: None,
    };
    let mut server = second_server::start(room.program, scratch).map_err(io)?;
    let counted = tokio::select! {
        counted = counted(&socket) => counted.map_err(Verification::inconclusive),
        ended = server.wait() => Err(match ended {
            // Such as for want of memory.
            Ok(status) if status.signal() == Some(KILLED) => Verification::without_room(
                format!("Cannot verify the backup: a second server in {} was killed while it read it.", room.name),
                needed_memory(manifest).max(room.memory_limit.saturating_sub(room.used)) / 2 * 3,
            ),
            Ok(status) => Verification::refuted(format!(
                "A second server could not read the backup; it ended with {status}."
            )),
            Err(error) => io(error),
        }),
    };
    let _ = server.kill().await;
    let _ = std::fs::remove_file(&socket);
    counted
}

impl Room<'_> {
    /// The server itself may write its data once more meanwhile, as a snapshot or a log.
    fn check_space(&self, folder: &Path, manifest: &Manifest) -> Result<(), Verification> {
        let free = space::free(folder)
            .map_err(|error| Verification::inconclusive(format!("Cannot verify the backup: {error}.")))?;
        space::check(free, manifest.bytes, self.used).map_err(|why| {
            Verification::without_room(
                format!("Cannot verify the backup: {why} in {}.", self.name),
                needed_memory(manifest),
            )
        })
    }

    fn check_memory(&self, manifest: &Manifest) -> Result<(), Verification> {
        let needed = needed_memory(manifest);
        let free = self.memory_limit.saturating_sub(self.used);
        if self.memory_limit > 0 && needed > free {
            let why = format!(
                "Cannot verify the backup: a second server needs {needed} bytes of memory, and the container of {} has {free} free.",
                self.name
            );
            return Err(Verification::without_room(why, needed));
        }
        Ok(())
    }
}

/// Bytes of memory of a container, apart from those of another server in it.
fn needed_memory(manifest: &Manifest) -> u64 {
    // A server that has just read its data is seldom larger than the one that wrote it.
    manifest.used_memory.unwrap_or(manifest.bytes) / 4 * 5 + BESIDES
}

/// A server does not start that has fewer databases than its data.
fn databases(manifest: &Manifest) -> u32 {
    let last = manifest.keys.as_ref().and_then(|keys| keys.keys().next_back().copied());
    last.map_or(0, |last| last.saturating_add(1)).max(second_server::DATABASES)
}

async fn counted(socket: &Path) -> Result<BTreeMap<u32, u64>, String> {
    let begun = Instant::now();
    loop {
        if let Ok(connection) = Connection::open(&Endpoint::Unix(socket.to_owned()), None, ANSWER).await {
            let mut server = Server::from(connection);
            if let Ok(info) = server.info(&["persistence", "keyspace"]).await
                && !info.persistence().loading
            {
                return Ok(info.keys());
            }
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("A second server did not read the backup in {} s.", PATIENCE.as_secs()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
