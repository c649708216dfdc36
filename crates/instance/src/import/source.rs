//! The running server that data is copied from, and what it says about itself.
//!
//! Guarantees: it is asked `INFO`, and what a replica asks.

use super::{
    ImportRequest,
    error::ImportError,
    follower::databases,
    look::Look,
    tls::{SourceFiles, SourceTls},
};
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use valkeeper_backup::{BackupError, Copied, Since, manifest::can_follow};
use valkeeper_server::{Connection, Credentials, Endpoint, Error, Server};

/// What a Redis is to a Valkey that is asked for its data.
const OLD: &str = "7.2.4";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A running server. It has no `Debug`: it holds a password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user; the default one if there is none.
    #[serde(default)]
    pub username: Option<String>,
    /// The password, if it needs one.
    #[serde(default)]
    pub password: Option<String>,
    /// How it is trusted, if it is reached with TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<SourceTls>,
}

impl SourceServer {
    /// For people.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        let user = self.username.clone().unwrap_or_default();
        self.password.clone().map(|password| Credentials { user, password })
    }
}

/// How its data comes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A second server follows it.
    Follow,
    /// All of it is copied while nothing writes.
    Copy,
}

/// The way to it, and what is to follow it.
pub(super) struct Source<'a> {
    request: &'a ImportRequest,
    settings: &'a Settings,
    endpoint: Endpoint,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        request: &'a ImportRequest,
        files: Option<&SourceFiles>,
    ) -> Result<Self, ImportError> {
        let SourceServer { host, port, tls, .. } = &request.source;
        let (host, port) = (host.clone(), *port);
        let endpoint = match (tls, files) {
            (Some(tls), Some(files)) => {
                let name = tls.server_name.clone().unwrap_or_else(|| host.clone());
                Endpoint::Tls { host, port, name, config: Arc::new(files.client_config()?) }
            }
            _ => Endpoint::Tcp(host, port),
        };
        Ok(Self { request, settings, endpoint })
    }

    /// Where it is.
    pub(super) fn server(&self) -> &SourceServer {
        &self.request.source
    }

    /// Bytes that the own server has for its data; 0 for no limit.
    pub(super) fn max_memory(&self) -> u64 {
        self.settings.server.max_memory
    }

    /// Looks at it, wherever its name leads now.
    pub(super) async fn look(&self) -> Result<Look, ImportError> {
        let failed = |cause: Error| ImportError::Source { address: self.request.source.address(), cause };
        // Servers before 7.0 know one section at a time, or the default ones.
        let info = Server::from(self.connect().await?).info(&[]).await.map_err(failed)?;
        Look::of(&info).map_err(|field| {
            let reason = format!("{field} is missing");
            failed(Error::Malformed { command: "INFO".to_owned(), reason })
        })
    }

    async fn connect(&self) -> Result<Connection, ImportError> {
        let server = &self.request.source;
        let open = Connection::open(&self.endpoint, server.credentials().as_ref(), PATIENCE).await;
        open.map_err(|cause| ImportError::Source { address: server.address(), cause })
    }

    /// Copies all of its data into a file.
    pub(super) async fn copy(&self, path: &Path) -> Result<Copied, ImportError> {
        // Three numbers, as servers name themselves.
        let reader = format!("{}.0.0", self.request.version).split('.').take(3).collect::<Vec<_>>().join(".");
        let reader = if self.request.is_redis { OLD } else { &reader };
        valkeeper_backup::copy(self.connect().await?, path, reader)
            .await
            .map_err(|cause| self.not_copied(cause))
    }

    /// Gives copied data a format that the own server reads; answers its keys by database.
    pub(super) async fn downgrade(&self, path: PathBuf) -> Result<BTreeMap<u32, u64>, ImportError> {
        let (is_redis, version) = (self.request.is_redis, self.request.version.clone());
        let work = move || valkeeper_backup::downgrade(&path, is_redis, &version);
        let done = tokio::task::spawn_blocking(work).await;
        let done =
            done.map_err(|error| ImportError::Local("read the copied data", io::Error::other(error)))?;
        done.map_err(|cause| self.not_copied(cause))
    }

    /// What has become of it since it was copied, up to this position.
    pub(super) async fn since(&self, copied: &Copied, position: u64) -> Result<Since, ImportError> {
        let since = valkeeper_backup::since(self.connect().await?, copied, position).await;
        since.map_err(|cause| self.not_copied(cause))
    }

    pub(super) fn was_written_to(&self) -> ImportError {
        let address = self.request.source.address();
        ImportError::Unready(format!("{address} was written to while it was copied: stop its clients"))
    }

    fn not_copied(&self, cause: BackupError) -> ImportError {
        let address = self.request.source.address();
        match cause {
            BackupError::Incompatible(why) => {
                ImportError::Unsuitable(format!("cannot copy {address}: {why}"))
            }
            cause => ImportError::Copy { address, cause },
        }
    }

    /// How the own server gets its data.
    pub(super) fn check(&self, look: &Look) -> Result<Way, ImportError> {
        let (address, own) = (self.request.source.address(), &self.settings.name);
        let unready = |why: &str| Err(ImportError::Unready(format!("{address} {why}")));
        let unsuitable = |why: String| Err(ImportError::Unsuitable(format!("{address} {why}")));
        let (is_redis, version) = (self.request.is_redis, self.request.version.as_str());
        let databases = databases(self.settings);
        if look.is_sharded {
            return unsuitable("is in cluster mode and has a part of the keys".to_owned());
        }
        if let Some(last) = look.last_database.filter(|last| *last >= databases) {
            return unsuitable(format!(
                "has keys in database {last}, and the cluster has {databases} databases: set databases in spec.config"
            ));
        }
        if !look.is_primary {
            return unready("is a replica: its primary is needed");
        }
        if look.is_loading {
            return unready("loads its data");
        }
        let (used, limit) = (look.used_memory, self.max_memory());
        if limit > 0 && used > limit {
            return unready(&format!(
                "uses {used} bytes of memory, and maxmemory is {limit}: increase spec.resources.memory, then delete pod {own}"
            ));
        }
        let follows = can_follow((is_redis, version), (look.is_redis, &look.version)) && !look.has_modules;
        Ok(if follows { Way::Follow } else { Way::Copy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{error::ErrorClass, look::tests::INFO};
    use valkeeper_server::Info;

    const SETTINGS: &str =
        "{name: a-0, pod: u, dataDir: /data, runtimeDir: /run/v, health: '127.0.0.1:1', lease: alone,
          control: {address: '127.0.0.1:2'}, server: {program: valkey-server, host: a, maxMemory: 1000}}";

    fn checked(from: &str, to: &str) -> Result<Way, ImportError> {
        checked_with(from, to, SETTINGS)
    }

    fn checked_with(from: &str, to: &str, settings: &str) -> Result<Way, ImportError> {
        let settings: Settings = serde_yaml::from_str(settings).unwrap();
        let source =
            SourceServer { host: "old".to_owned(), port: 6379, username: None, password: None, tls: None };
        let request = ImportRequest { source, is_redis: false, version: "8.1".to_owned(), cut_over: false };
        let info = INFO.replace(from, to);
        assert!(from.is_empty() || info != INFO, "{from}");
        Source::new(&settings, &request, None).unwrap().check(&Look::of(&Info::parse(&info)).unwrap())
    }

    #[test]
    fn source_that_cannot_be_used_is_refused_with_the_reason() {
        use ErrorClass::{Permanent, Transient};
        assert_eq!(checked("", "").unwrap(), Way::Follow);
        for (from, to) in [
            ("redis_version:7.2.4", "redis_version:7.4.0"),
            ("redis_version:7.2.4", "redis_version:7.2.4\r\nvalkey_version:9.0.1"),
            ("redis_version:7.2.4", "redis_version:7.2.4\r\nvalkey_version:8.2.0"),
            ("run_id:a", "run_id:a\r\nmodule:name=search,ver=2"),
            ("run_id:a", "run_id:a\r\nmodule:name=lua,ver=1\r\nmodule:name=search,ver=2"),
        ] {
            assert_eq!(checked(from, to).unwrap(), Way::Copy, "{to}");
        }
        assert_eq!(checked("run_id:a", "run_id:a\r\nmodule:name=lua,ver=1").unwrap(), Way::Follow);
        checked_with("used_memory:500", "used_memory:5000", &SETTINGS.replace("1000", "0")).unwrap();
        let many = SETTINGS.replace("1000", "0, directives: {databases: '32'}");
        checked_with("db3", "db20", &many).unwrap();
        for (from, to, why, class) in [
            ("db3", "db16", "database 16", Permanent),
            ("cluster_enabled:0", "cluster_enabled:1", "cluster mode", Permanent),
            ("role:master", "role:slave", "is a replica", Transient),
            ("used_memory:500", "used_memory:1001", "uses 1001 bytes", Transient),
            ("role:master", "role:master\r\nloading:1", "loads", Transient),
        ] {
            let error = checked(from, to).unwrap_err();
            assert!(error.to_string().contains(why) && error.class() == class, "{error}");
        }
    }

    #[test]
    fn address_of_version_six_is_in_brackets() {
        let of = |host: &str| {
            SourceServer { host: host.to_owned(), port: 1, username: None, password: None, tls: None }
                .address()
        };
        assert_eq!((of("a.b"), of("fd00::1")), ("a.b:1".to_owned(), "[fd00::1]:1".to_owned()));
    }
}
