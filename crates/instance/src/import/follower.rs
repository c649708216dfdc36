//! The second server, which follows the source or loads what was copied from it. No client reaches it.
//!
//! Guarantees: it ends with the manager, or when this is dropped, and then its files are removed; the password of the
//! source is in no file.

use super::{SourceServer, error::ImportError, tls::SourceFiles};
use crate::{
    instance::Instance,
    process::ServerProcess,
    second_server::{self, Purpose, Scratch},
    settings::Settings,
};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use valkeeper_server::{Connection, Credentials, Endpoint, Replication, Server};

/// Longest time until it answers after its start.
const START: Duration = Duration::from_secs(30);
/// Longest wait for an answer: it reads and saves all data meanwhile.
const PATIENCE: Duration = Duration::from_mins(30);
/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(50);

/// What it says about itself.
#[derive(Clone, Debug, Default)]
pub(super) struct FollowerState {
    pub(super) replication: Replication,
    pub(super) is_loading: bool,
    /// How many commands of the source it could not carry out: it has other data since then.
    pub(super) rejected: u64,
    /// Keys by database.
    pub(super) keys: BTreeMap<u32, u64>,
}

/// It, and where its files are.
pub(super) struct Follower {
    process: Process,
    server: Server,
    silent_port: u16,
    files: Files,
}

impl Follower {
    /// Starts it with the data in its folder, if there is any. It follows no server.
    pub(super) async fn start(
        instance: &Instance,
        tls: Option<&SourceFiles>,
        files: Files,
    ) -> Result<Self, ImportError> {
        let local = |error| ImportError::Local("start a second server", error);
        let settings = &instance.settings;
        std::fs::create_dir_all(&files.folder).map_err(local)?;
        let socket = second_server::socket(&settings.runtime_dir, Purpose::Import);
        std::fs::create_dir_all(&settings.runtime_dir).map_err(local)?;
        let scratch = Scratch {
            silent_port: instance.silent_port,
            folder: &files.folder,
            socket: &socket,
            databases: databases(settings),
            tls: tls.map(|tls| &tls.files),
        };
        let config = second_server::write_config(scratch).map_err(local)?;
        let mut process = Process::start(instance, config).await.map_err(local)?;
        let server = process.connect(&socket).await?;
        Ok(Self { process, server, silent_port: instance.silent_port, files })
    }

    /// Has it follow the source.
    pub(super) async fn follow(&mut self, source: &SourceServer) -> Result<(), ImportError> {
        let server = &mut self.server;
        if let Some(Credentials { user, password }) = source.credentials() {
            if !user.is_empty() {
                server.config_set(&[("masteruser", &user)]).await?;
            }
            server.config_set(&[("masterauth", &password)]).await?;
        }
        // The first copy is read from the wire, without a file.
        server.config_set(&[("repl-diskless-load", "on-empty-db")]).await?;
        Ok(server.replicaof(&source.host, source.port).await?)
    }

    /// How far it is.
    pub(super) async fn state(&mut self) -> Result<FollowerState, ImportError> {
        self.process.check()?;
        let info = self.server.info(&[]).await?;
        let state = FollowerState {
            replication: info.replication(),
            is_loading: info.persistence().loading,
            rejected: info.number("unexpected_error_replies"),
            keys: info.keys(),
        };
        if state.rejected > 0 {
            let text =
                "the second server could not carry out a command of the source; see the log of the instance";
            return Err(ImportError::Unsuitable(text.to_owned()));
        }
        Ok(state)
    }

    /// Has it connect again, to where the name leads now.
    pub(super) async fn reconnect(&mut self, source: &SourceServer) -> Result<(), ImportError> {
        self.server.replicaof("127.0.0.1", self.silent_port).await?;
        Ok(self.server.replicaof(&source.host, source.port).await?)
    }

    /// Removes keys from it, which the source has removed.
    pub(super) async fn remove(&mut self, keys: &[(u32, Vec<u8>)]) -> Result<(), ImportError> {
        self.server.config_set(&[("replica-read-only", "no")]).await?;
        let mut selected = None;
        for (database, key) in keys {
            if selected.replace(*database) != Some(*database) {
                self.server.call(&["SELECT", &database.to_string()]).await?;
            }
            self.server.connection().call_within(&[b"DEL", key], PATIENCE).await?;
        }
        Ok(())
    }

    /// Has it write what it has to the disk. It takes nothing new meanwhile.
    pub(super) async fn save(&mut self) -> Result<(), ImportError> {
        let failed = |error| ImportError::Local("keep the data", error);
        match std::fs::remove_file(&self.files.dump) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // What was loaded at the start is not needed any more.
        let _ = std::fs::remove_file(self.files.folder.join("dump.rdb"));
        self.server.call(&["SAVE"]).await?;
        std::fs::rename(self.files.folder.join("dump.rdb"), &self.files.dump).map_err(failed)
    }

    /// Ends it; answers where the data is that it has saved.
    pub(super) async fn end(self) -> PathBuf {
        self.process.end().await;
        self.files.dump.clone()
    }
}

/// How many databases the own server will have.
pub(super) fn databases(settings: &Settings) -> u32 {
    let declared = settings.server.directives.iter().find(|(name, _)| name.eq_ignore_ascii_case("databases"));
    declared.and_then(|(_, count)| count.parse().ok()).unwrap_or(second_server::DATABASES)
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

/// Where its files are. Its folder is removed in the end.
pub(super) struct Files {
    folder: PathBuf,
    dump: PathBuf,
}

impl Files {
    /// Removes what an earlier attempt has left that was ended in the middle.
    pub(super) fn prepare(settings: &Settings) -> Result<Self, ImportError> {
        let folder = settings.data_dir.join("valkeeper-import");
        let dump = settings.data_dir.join("valkeeper-restore");
        for removed in [std::fs::remove_dir_all(&folder), std::fs::remove_file(&dump)] {
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ImportError::Local("remove what an earlier attempt has left", error));
                }
                _ => {}
            }
        }
        Ok(Self { folder, dump })
    }

    /// Where a second server finds data when it starts.
    pub(super) fn source_dump(&self) -> io::Result<PathBuf> {
        std::fs::create_dir_all(&self.folder)?;
        Ok(self.folder.join("dump.rdb"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
