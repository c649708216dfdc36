//! The running server that data is copied from, and what it says about itself.
//!
//! Guarantees: it is asked `INFO` only.

use super::{ImportRequest, error::ImportError};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use valkeeper_backup::manifest::can_follow;
use valkeeper_server::{Connection, Credentials, Endpoint, Error, Info, Server};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The user of a password without a name.
const DEFAULT_USER: &str = "default";

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
        let user = self.username.clone().unwrap_or_else(|| DEFAULT_USER.to_owned());
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
    pub(super) since_snapshot: (u64, u64),
}

/// One look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) is_primary: bool,
    /// How far its history goes.
    pub(super) offset: u64,
    pub(super) changes: Changes,
    pub(super) used_memory: u64,
    pub(super) is_loading: bool,
    pub(super) is_redis: bool,
    /// It holds a part of the keys.
    pub(super) is_sharded: bool,
    pub(super) version: String,
}

impl Look {
    fn of(info: &Info) -> Self {
        let (replication, persistence) = (info.replication(), info.persistence());
        let since_snapshot = (persistence.unsaved_changes, info.number("rdb_last_save_time"));
        Self {
            is_primary: replication.is_primary,
            offset: replication.offset,
            changes: Changes { run: info.run_id().to_owned(), history: replication.id, since_snapshot },
            used_memory: info.memory().used,
            is_loading: persistence.loading,
            is_redis: info.text("valkey_version").is_empty(),
            is_sharded: info.number("cluster_enabled") == 1,
            version: info.version().to_owned(),
        }
    }
}

/// The way to it.
pub(super) struct Source<'a> {
    server: &'a SourceServer,
    open: Option<Server>,
}

impl<'a> Source<'a> {
    pub(super) fn new(server: &'a SourceServer) -> Self {
        Self { server, open: None }
    }

    /// Looks at it.
    pub(super) async fn look(&mut self) -> Result<Look, ImportError> {
        let failed = |cause: Error| ImportError::Source { address: self.server.address(), cause };
        let mut server = match self.open.take() {
            Some(open) => open,
            None => {
                let endpoint = Endpoint::Tcp(self.server.host.clone(), self.server.port);
                let credentials = self.server.credentials();
                Connection::open(&endpoint, credentials.as_ref(), PATIENCE).await.map_err(failed)?.into()
            }
        };
        // Servers before 7.0 know one section at a time, or the default ones.
        let info = server.info(&[]).await.map_err(failed)?;
        self.open = Some(server);
        Ok(Look::of(&info))
    }

    /// Whether the own server, with so many bytes for its data or 0 for no limit, can follow it.
    pub(super) fn check(
        &self,
        look: &Look,
        request: &ImportRequest,
        max_memory: u64,
    ) -> Result<(), ImportError> {
        let address = self.server.address();
        let unready = |why: String| Err(ImportError::Unready(why));
        let unsuitable = |why: String| Err(ImportError::Unsuitable(why));
        if look.is_sharded {
            return unsuitable(format!("{address} is in cluster mode and has a part of the keys"));
        }
        let own = (request.is_redis, request.version.as_str());
        if !can_follow(own, (look.is_redis, &look.version)) {
            let name = |is_redis| if is_redis { "Redis" } else { "Valkey" };
            return unsuitable(format!(
                "{address} is {} {}, whose data {} {} does not read",
                name(look.is_redis),
                look.version,
                name(request.is_redis),
                request.version
            ));
        }
        if !look.is_primary {
            return unready(format!("{address} is a replica: its primary is needed"));
        }
        if look.is_loading {
            return unready(format!("{address} loads its data"));
        }
        if max_memory > 0 && look.used_memory > max_memory {
            return unready(format!(
                "{address} uses {} bytes of memory, and maxmemory is {max_memory}: increase spec.resources.memory",
                look.used_memory
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
                        rdb_changes_since_last_save:4\r\nrdb_last_save_time:17\r\nused_memory:500\r\ncluster_enabled:0\r\n";

    fn checked(from: &str, to: &str) -> Result<(), ImportError> {
        checked_with(from, to, 1000)
    }

    fn checked_with(from: &str, to: &str, max_memory: u64) -> Result<(), ImportError> {
        let source = SourceServer { host: "old".to_owned(), port: 6379, username: None, password: None };
        let request = ImportRequest {
            source: source.clone(),
            is_redis: false,
            version: "8.1".to_owned(),
            cut_over: false,
        };
        let info = INFO.replace(from, to);
        assert!(from.is_empty() || info != INFO, "{from}");
        Source::new(&source).check(&Look::of(&Info::parse(&info)), &request, max_memory)
    }

    #[test]
    fn source_that_cannot_be_followed_is_refused_with_the_reason() {
        use ErrorClass::{Permanent, Transient};
        checked("", "").unwrap();
        checked_with("", "", 0).unwrap();
        for (from, to, why, class) in [
            ("redis_version:7.2.4", "redis_version:7.4.0", "Redis 7.4.0", Permanent),
            ("redis_version:7.2.4", "redis_version:7.2.4\r\nvalkey_version:9.0.1", "Valkey 9.0.1", Permanent),
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
        let of = |text: &str| Look::of(&Info::parse(text)).changes;
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
    fn address_of_version_six_is_in_brackets() {
        let of = |host: &str| {
            SourceServer { host: host.to_owned(), port: 1, username: None, password: None }.address()
        };
        assert_eq!((of("a.b"), of("fd00::1")), ("a.b:1".to_owned(), "[fd00::1]:1".to_owned()));
    }
}
