//! What a running server says about itself, and what of it shows that its data was changed. Pure.

use valkeeper_server::Info;

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
    pub(super) fn of(info: &Info) -> Result<Self, &'static str> {
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
        Ok(Self {
            is_primary: replication.is_primary,
            offset: replication.offset,
            changes,
            used_memory: info.memory().used,
            last_database: info.keys().last_key_value().map(|(number, _)| *number),
            is_loading: info.persistence().loading,
            is_redis: info.text("valkey_version").is_empty(),
            is_sharded: info.number("cluster_enabled") == 1,
            // Valkey 9 has its scripts from a module of its own.
            has_modules: info.text("module").lines().any(|module| !module.starts_with("name=lua,")),
            version: text("redis_version").map(|_| info.version().to_owned())?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::import) const INFO: &str = "redis_version:7.2.4\r\nrun_id:a\r\nrole:master\r\nmaster_replid:h\r\nmaster_repl_offset:90\r\n\
                        rdb_changes_since_last_save:4\r\nrdb_last_save_time:17\r\nused_memory:500\r\ncluster_enabled:0\r\n\
                        db3:keys=1,expires=0\r\n";

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
}
