//! The answer of `INFO`, as text and as typed views. Pure.
//!
//! Guarantees: an absent or unreadable field becomes its view's neutral value, never an error; fields that were
//! renamed from `master` and `slave` to `primary` and `replica` are read under either name.

use std::collections::BTreeMap;

/// All fields of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info(BTreeMap<String, String>);

/// One replica as its primary sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachedReplica {
    /// Its address, or the host name that it announces.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `online` once it receives the stream.
    pub is_online: bool,
    /// The offset that it has acknowledged.
    pub offset: u64,
    /// Seconds since its last acknowledgment.
    pub lag: u64,
}

/// The view of replication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replication {
    /// Whether it is a primary and not a replica.
    pub is_primary: bool,
    /// Name of its history.
    pub id: String,
    /// Its offset in that history: what it has written as a primary, or applied as a replica.
    pub offset: u64,
    /// Host of its primary.
    pub primary_host: String,
    /// Port of its primary.
    pub primary_port: u16,
    /// Whether the link to its primary is up.
    pub link_is_up: bool,
    /// Whether it receives a full copy.
    pub copying: bool,
    /// The replicas that are attached to it.
    pub replicas: Vec<AttachedReplica>,
}

/// The view of persistence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Whether it reads its data from the disk.
    pub loading: bool,
    /// Whether the append-only file is on.
    pub append_only: bool,
    /// Whether the last write and the last rewrite of the append-only file, and the last snapshot, succeeded.
    pub writes_succeed: bool,
    /// Changes since the last snapshot.
    pub unsaved_changes: u64,
}

/// The view of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Bytes in use.
    pub used: u64,
    /// The limit; 0 for none.
    pub limit: u64,
}

impl Info {
    /// Reads an answer. A field that there is several times, as `module`, has a line for each.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.trim_end().split_once(':'));
        let mut fields = BTreeMap::<String, String>::new();
        for (key, value) in pairs {
            let known = fields.entry(key.to_owned()).or_default();
            if !known.is_empty() {
                known.push('\n');
            }
            known.push_str(value);
        }
        Self(fields)
    }

    /// All fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Keys by database; none of those without any.
    pub fn keys(&self) -> BTreeMap<u32, u64> {
        let of = |(name, text): (&str, &str)| {
            let database = name.strip_prefix("db")?.parse().ok()?;
            let count = text.strip_prefix("keys=")?.split(',').next()?.parse().ok()?;
            Some((database, count))
        };
        self.fields().filter_map(of).collect()
    }

    /// A field as text.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// A field as a number; 0 if it is none.
    pub fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or(0)
    }

    fn either(&self, old: &str, new: &str) -> &str {
        self.0.get(old).or_else(|| self.0.get(new)).map_or("", String::as_str)
    }

    fn flag(&self, key: &str) -> bool {
        self.text(key) == "1"
    }

    /// The version, such as `8.0.1`; of Redis, or of Valkey where it is one.
    pub fn version(&self) -> &str {
        self.either("valkey_version", "redis_version")
    }

    /// Identity of the process; another one after each start.
    pub fn run_id(&self) -> &str {
        self.text("run_id")
    }

    /// The section about replication.
    pub fn replication(&self) -> Replication {
        let is_primary = matches!(self.text("role"), "master" | "primary");
        let own = self.either("master_repl_offset", "primary_repl_offset");
        let applied = self.either("slave_repl_offset", "replica_repl_offset");
        let offset = if is_primary || applied.is_empty() { own } else { applied };
        Replication {
            is_primary,
            id: self.either("master_replid", "primary_replid").to_owned(),
            offset: offset.parse().unwrap_or(0),
            primary_host: self.either("master_host", "primary_host").to_owned(),
            primary_port: self.either("master_port", "primary_port").parse().unwrap_or(0),
            link_is_up: self.either("master_link_status", "primary_link_status") == "up",
            copying: self.either("master_sync_in_progress", "primary_sync_in_progress") == "1",
            replicas: self.replicas(),
        }
    }

    fn replicas(&self) -> Vec<AttachedReplica> {
        let number = |key: &str| {
            let digits = key.strip_prefix("slave").or_else(|| key.strip_prefix("replica"))?;
            digits.parse::<u32>().ok()
        };
        let mut numbered: Vec<_> =
            self.fields().filter_map(|(key, value)| Some((number(key)?, attached(value)?))).collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, replica)| replica).collect()
    }

    /// The section about persistence.
    pub fn persistence(&self) -> Persistence {
        let fails = |key: &str| self.text(key) == "err";
        Persistence {
            loading: self.flag("loading") || self.flag("async_loading"),
            append_only: self.flag("aof_enabled"),
            writes_succeed: !["aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"]
                .into_iter()
                .any(fails),
            unsaved_changes: self.number("rdb_changes_since_last_save"),
        }
    }

    /// The section about memory.
    pub fn memory(&self) -> Memory {
        Memory { used: self.number("used_memory"), limit: self.number("maxmemory") }
    }

    /// How often it has answered with the error of this code, such as `READONLY`.
    pub fn errors(&self, code: &str) -> u64 {
        let counted = self.text(&format!("errorstat_{code}"));
        parts(counted).find(|(key, _)| *key == "count").and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
    }
}

/// `ip=10.0.0.2,port=6379,state=online,offset=140,lag=1`
fn attached(text: &str) -> Option<AttachedReplica> {
    let fields: BTreeMap<_, _> = parts(text).collect();
    let number = |key: &str| fields.get(key).and_then(|value| value.parse().ok());
    Some(AttachedReplica {
        host: (*fields.get("ip")?).to_owned(),
        port: fields.get("port")?.parse().ok()?,
        is_online: fields.get("state") == Some(&"online"),
        offset: number("offset").unwrap_or(0),
        lag: number("lag").unwrap_or(0),
    })
}

/// The `key=value` pairs of a field.
pub fn parts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(',').filter_map(|part| part.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_the_answer_of_a_server() {
        let info = Info::parse(
            "# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=5\r\ndb12:keys=40,expires=0\r\ndbx:keys=1\r\n",
        );
        assert_eq!(info.keys(), BTreeMap::from([(0, 3), (12, 40)]));
    }
}
