//! The running server that data is copied from, and what it says about itself.
//!
//! Guarantees: it is asked `INFO` only.

use super::{
    ImportRequest,
    error::ImportError,
    follower::databases,
    tls::{SourceFiles, SourceTls},
};
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use valkeeper_backup::manifest::can_follow;
use valkeeper_server::{Connection, Credentials, Endpoint, Error, Info, Server};

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
    #[serde(default)]
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

/// What differs after the data was changed, or may have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// The process.
    pub(super) run: String,
    /// Name of its history.
    pub(super) history: String,
    /// Changes since the last snapshot, and when that was.
    pub(super) since_snapshot: (String, String),
}

/// One look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) is_primary: bool,
    /// How far its history goes.
    pub(super) offset: u64,
    pub(super) changes: Changes,
    pub(super) used_memory: u64,
    /// The highest number of a database that has keys.
    pub(super) last_database: Option<u32>,
    pub(super) is_loading: bool,
    pub(super) is_redis: bool,
    /// It holds a part of the keys.
    pub(super) is_sharded: bool,
    pub(super) has_modules: bool,
    pub(super) version: String,
}

impl Look {
    /// From an answer to `INFO`; the name of a field that is missing.
    fn of(info: &Info) -> Result<Self, &'static str> {
        let text = |name: &'static str| match info.text(name) {
            "" => Err(name),
            text => Ok(text.to_owned()),
        };
        let replication = info.replication();
        let changes = Changes {
            run: text("run_id")?,
            history: Some(replication.id).filter(|id| !id.is_empty()).ok_or("master_replid")?,
            since_snapshot: (text("rdb_changes_since_last_save")?, text("rdb_last_save_time")?),
        };
        let number = |(name, _): (&str, &str)| name.strip_prefix("db")?.parse::<u32>().ok();
        Ok(Self {
            is_primary: replication.is_primary,
            offset: replication.offset,
            changes,
            used_memory: info.memory().used,
            last_database: info.fields().filter_map(number).max(),
            is_loading: info.persistence().loading,
            is_redis: info.text("valkey_version").is_empty(),
            is_sharded: info.number("cluster_enabled") == 1,
            has_modules: !info.text("module").is_empty(),
            version: text("redis_version").map(|_| info.version().to_owned())?,
        })
    }
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

    /// Bytes that the own server has for its data; 0 for no limit.
    pub(super) fn max_memory(&self) -> u64 {
        self.settings.server.max_memory
    }

    /// Looks at it, wherever its name leads now.
    pub(super) async fn look(&self) -> Result<Look, ImportError> {
        let server = &self.request.source;
        let failed = |cause: Error| ImportError::Source { address: server.address(), cause };
        let open = Connection::open(&self.endpoint, server.credentials().as_ref(), PATIENCE).await;
        // Servers before 7.0 know one section at a time, or the default ones.
        let info = Server::from(open.map_err(failed)?).info(&[]).await.map_err(failed)?;
        Look::of(&info).map_err(|field| {
            let reason = format!("{field} is missing");
            failed(Error::Malformed { command: "INFO".to_owned(), reason })
        })
    }

    /// Whether the own server can follow it.
    pub(super) fn check(&self, look: &Look) -> Result<(), ImportError> {
        let (address, own) = (self.request.source.address(), &self.settings.name);
        let unready = |why: &str| Err(ImportError::Unready(format!("{address} {why}")));
        let unsuitable = |why: String| Err(ImportError::Unsuitable(format!("{address} {why}")));
        let (is_redis, version) = (self.request.is_redis, self.request.version.as_str());
        let databases = databases(self.settings);
        let name = |is_redis| if is_redis { "Redis" } else { "Valkey" };
        if look.is_sharded {
            return unsuitable("is in cluster mode and has a part of the keys".to_owned());
        }
        if look.has_modules {
            return unsuitable("has modules loaded, whose commands the cluster does not know".to_owned());
        }
        if !can_follow((is_redis, version), (look.is_redis, &look.version)) {
            let (theirs, ours) = (name(look.is_redis), name(is_redis));
            return unsuitable(format!(
                "is {theirs} {}, which {ours} {version} does not follow",
                look.version
            ));
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
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::error::ErrorClass;

    const INFO: &str = "redis_version:7.2.4\r\nrun_id:a\r\nrole:master\r\nmaster_replid:h\r\nmaster_repl_offset:90\r\n\
                        rdb_changes_since_last_save:4\r\nrdb_last_save_time:17\r\nused_memory:500\r\ncluster_enabled:0\r\n\
                        db3:keys=1,expires=0\r\n";
    const SETTINGS: &str =
        "{name: a-0, pod: u, dataDir: /data, runtimeDir: /run/v, health: '127.0.0.1:1', lease: alone,
          control: {address: '127.0.0.1:2'}, server: {program: valkey-server, host: a, maxMemory: 1000}}";

    fn checked(from: &str, to: &str) -> Result<(), ImportError> {
        checked_with(from, to, SETTINGS)
    }

    fn checked_with(from: &str, to: &str, settings: &str) -> Result<(), ImportError> {
        let settings: Settings = serde_yaml::from_str(settings).unwrap();
        let source =
            SourceServer { host: "old".to_owned(), port: 6379, username: None, password: None, tls: None };
        let request = ImportRequest { source, is_redis: false, version: "8.1".to_owned(), cut_over: false };
        let info = INFO.replace(from, to);
        assert!(from.is_empty() || info != INFO, "{from}");
        Source::new(&settings, &request, None).unwrap().check(&Look::of(&Info::parse(&info)).unwrap())
    }

    #[test]
    fn source_that_cannot_be_followed_is_refused_with_the_reason() {
        use ErrorClass::{Permanent, Transient};
        checked("", "").unwrap();
        checked_with("used_memory:500", "used_memory:5000", &SETTINGS.replace("1000", "0")).unwrap();
        let many = SETTINGS.replace("1000", "0, directives: {databases: '32'}");
        checked_with("db3", "db20", &many).unwrap();
        for (from, to, why, class) in [
            ("redis_version:7.2.4", "redis_version:7.4.0", "Redis 7.4.0", Permanent),
            ("redis_version:7.2.4", "redis_version:7.2.4\r\nvalkey_version:9.0.1", "Valkey 9.0.1", Permanent),
            ("redis_version:7.2.4", "redis_version:7.2.4\r\nvalkey_version:8.2.0", "Valkey 8.2.0", Permanent),
            ("db3", "db16", "database 16", Permanent),
            ("run_id:a", "run_id:a\r\nmodule:name=search,ver=2", "modules", Permanent),
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
    fn everything_that_may_have_changed_the_data_shows() {
        let of = |text: &str| Look::of(&Info::parse(text)).unwrap().changes;
        // Pings to replicas move the offset alone.
        assert_eq!(of(INFO), of(&INFO.replace("offset:90", "offset:104")));
        for (from, to) in [
            ("last_save:4", "last_save:5"),
            ("save_time:17", "save_time:18"),
            ("run_id:a", "run_id:b"),
            ("replid:h", "replid:i"),
        ] {
            assert_ne!(of(INFO), of(&INFO.replace(from, to)), "{from}");
        }
    }

    #[test]
    fn answer_without_what_is_needed_says_nothing() {
        for field in
            ["run_id", "master_replid", "rdb_changes_since_last_save", "rdb_last_save_time", "redis_version"]
        {
            let without: String =
                INFO.split_inclusive("\r\n").filter(|line| !line.starts_with(field)).collect();
            assert_eq!(Look::of(&Info::parse(&without)), Err(field));
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
