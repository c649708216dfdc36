//! The second server, which follows the source. No client reaches it, and it has no files before it saves.
//!
//! Guarantees: it ends with the manager, or when this is dropped, and then its files are removed; the password of the
//! source is in no file.

use super::{SourceServer, error::ImportError};
use crate::{instance::Instance, process::ServerProcess, second_server};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use valkeeper_server::{Connection, Endpoint, Replication, Server};

/// Longest time until it answers after its start.
const START: Duration = Duration::from_secs(30);
/// Longest wait for an answer: it reads and saves all data meanwhile.
const PATIENCE: Duration = Duration::from_mins(30);
/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(50);

/// It, and where its files are.
pub(super) struct Follower {
    process: Process,
    server: Server,
    folder: Folder,
    dump: PathBuf,
}

impl Follower {
    /// Starts it and has it follow the source.
    pub(super) async fn start(instance: &Instance, source: &SourceServer) -> Result<Self, ImportError> {
        let local = |error| ImportError::Local("start a second server", error);
        let settings = &instance.settings;
        let folder = Folder::new(settings.data_dir.join("valkeeper-import")).map_err(local)?;
        // A path on a volume may be too long for a socket.
        let socket = settings.runtime_dir.join("import.sock");
        std::fs::create_dir_all(&settings.runtime_dir).map_err(local)?;
        let config = second_server::write_config(instance.silent_port, &folder.0, &socket).map_err(local)?;
        let mut process = Process::start(instance, config).await.map_err(local)?;
        let mut server = process.connect(&socket).await?;
        if let Some(credentials) = source.credentials() {
            let pairs = [("masteruser", credentials.user.as_str()), ("masterauth", &credentials.password)];
            server.config_set(&pairs).await?;
        }
        // The first copy is read from the wire, without a file.
        server.config_set(&[("repl-diskless-load", "on-empty-db")]).await?;
        server.replicaof(&source.host, source.port).await?;
        let dump = settings.data_dir.join("valkeeper-restore");
        Ok(Self { process, server, folder, dump })
    }

    /// How far it is.
    pub(super) async fn replication(&mut self) -> Result<Replication, ImportError> {
        self.process.check()?;
        Ok(self.server.info(&["replication"]).await?.replication())
    }

    /// Has it write what it has to the disk. It takes nothing new meanwhile.
    pub(super) async fn save(&mut self) -> Result<(), ImportError> {
        self.server.call(&["SAVE"]).await?;
        let saved = self.folder.0.join("dump.rdb");
        std::fs::rename(saved, &self.dump).map_err(|error| ImportError::Local("keep the data", error))
    }

    /// Ends it; answers where the data is that it has saved.
    pub(super) async fn end(self) -> PathBuf {
        self.process.end().await;
        self.dump
    }
}

/// Its process, which also ends with the manager.
struct Process {
    process: ServerProcess,
    ended: oneshot::Receiver<String>,
}

impl Process {
    async fn start(instance: &Instance, config: PathBuf) -> io::Result<Self> {
        let (guard, program) = (instance.guard.clone(), instance.settings.server.program.clone());
        let spawning =
            tokio::task::spawn_blocking(move || ServerProcess::start(&guard, &program, &config)).await;
        let (process, waiter) = spawning.map_err(io::Error::other).flatten()?;
        let (end, ended) = oneshot::channel();
        std::thread::spawn(move || end.send(waiter.wait()));
        Ok(Self { process, ended })
    }

    fn check(&mut self) -> Result<(), ImportError> {
        self.ended.try_recv().map_or(Ok(()), |status| Err(ImportError::Ended(status)))
    }

    async fn connect(&mut self, socket: &Path) -> Result<Server, ImportError> {
        let begun = Instant::now();
        loop {
            self.check()?;
            match Connection::open(&Endpoint::Unix(socket.to_owned()), None, PATIENCE).await {
                Ok(connection) => return Ok(connection.into()),
                Err(error) if begun.elapsed() > START => return Err(error.into()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn end(self) {
        self.process.kill();
        let _ = self.ended.await;
    }
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> io::Result<Self> {
        // Of an earlier attempt that was ended in the middle.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
