//! The wanted state of a server: its program, settings, users, data and ports, and whether it runs. Every setting of
//! a `user_config` about the engine is a directive here. The server applies directives to a process.

use super::networks::Networks;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A service that was created at some moment: another one of the same name is another service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) project: String,
    pub(crate) service: String,
    pub(crate) created: DateTime<Utc>,
}

impl Identity {
    /// A folder name that no other service has.
    pub(super) fn folder(&self) -> String {
        let plain = |each: char| if each.is_ascii_alphanumeric() || each == '-' { each } else { '_' };
        let project: String = self.project.chars().map(plain).collect();
        format!("{project}.{}.{}", self.service, self.created.timestamp_micros())
    }
}

/// What is to become of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It runs; a change that needs a restart is made immediately.
    Up,
    /// It runs; a change that needs a restart waits.
    Old,
    /// It is replaced, keeping its data.
    Replace,
    /// It takes its last snapshot and ends.
    Stop,
    /// It does not run.
    Off,
}

/// Everything about one server.
#[derive(Clone, PartialEq)]
pub(crate) struct Wanted {
    /// The name in the certificate, next to those of loopback.
    pub(crate) host: String,
    pub(crate) phase: Phase,
    /// Identifies the transition that waits for this to be done.
    pub(crate) transition: Option<DateTime<Utc>>,
    pub(crate) is_redis: bool,
    pub(crate) settings: Settings,
    pub(crate) users: Vec<AclUser>,
    pub(crate) persists: bool,
    /// The service whose replica this is.
    pub(crate) source: Option<Identity>,
    /// What the data starts from.
    pub(crate) seed: Option<Seed>,
    /// Names of the snapshots to have, oldest first.
    pub(crate) snapshots: Vec<String>,
    pub(crate) migration: Option<Migration>,
    /// Ports to listen on if they are free: with and without TLS.
    pub(crate) ports: (u16, u16),
}

/// A snapshot of another service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seed {
    pub(crate) source: Identity,
    pub(crate) snapshot: String,
}

/// A user with its rules in the server's own notation.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AclUser {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) rules: Vec<String>,
}

/// Data that is to be fetched from a server elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Migration {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) tls: bool,
    /// Copy once instead of following the source.
    pub(crate) dump: bool,
    pub(crate) ignored_databases: Vec<String>,
}

impl Migration {
    /// Reads `user_config.migration`.
    pub(crate) fn read(settings: &Value) -> Option<Self> {
        let text = |key: &str| settings[key].as_str().map(str::to_owned);
        let ignored = settings["ignore_dbs"].as_str().unwrap_or_default();
        Some(Self {
            host: text("host")?,
            port: u16::try_from(settings["port"].as_u64()?).ok()?,
            username: text("username"),
            password: text("password"),
            tls: settings["ssl"].as_bool().unwrap_or(true),
            dump: settings["method"] == "dump",
            ignored_databases: ignored
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
        })
    }
}

/// A directive and its value.
pub(super) type Directive = (&'static str, String);

/// The settings of a service as directives of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Take effect at a restart only.
    pub(super) fixed: Vec<Directive>,
    /// Take effect immediately.
    pub(super) live: Vec<Directive>,
    pub(super) networks: Networks,
    /// Whether clients may connect without TLS.
    pub(super) plain: bool,
}

impl Settings {
    /// Translates the `user_config` of a service of `kind` that may hold `memory` bytes of data.
    pub(crate) fn read(kind: &str, config: &Map<String, Value>, memory: u64) -> Self {
        let reader = Reader { kind, config };
        Self {
            fixed: vec![
                ("databases", reader.number("number_of_databases", 16).to_string()),
                ("io-threads", reader.number("io_threads", 1).to_string()),
            ],
            live: reader.live(memory),
            networks: Networks::read(config.get("ip_filter")),
            plain: !reader.flag("ssl", true),
        }
    }
}

struct Reader<'a> {
    kind: &'a str,
    config: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn value(&self, suffix: &str) -> Option<&Value> {
        self.config.get(&format!("{}_{suffix}", self.kind))
    }

    fn number(&self, suffix: &str, default: u64) -> u64 {
        self.value(suffix).and_then(Value::as_u64).unwrap_or(default)
    }

    fn flag(&self, suffix: &str, default: bool) -> bool {
        self.value(suffix).and_then(Value::as_bool).unwrap_or(default)
    }

    fn text(&self, suffix: &str, default: &str) -> String {
        self.value(suffix).and_then(Value::as_str).unwrap_or(default).to_owned()
    }

    fn live(&self, memory: u64) -> Vec<Directive> {
        let buffer_mb = self.number("pubsub_client_output_buffer_limit", 32);
        let active_defragmentation = if self.flag("activedefrag", false) { "yes" } else { "no" };
        vec![
            ("maxmemory", memory.to_string()),
            ("maxmemory-policy", self.text("maxmemory_policy", "noeviction")),
            ("timeout", self.number("timeout", 300).to_string()),
            ("notify-keyspace-events", self.text("notify_keyspace_events", "")),
            ("lfu-decay-time", self.number("lfu_decay_time", 1).to_string()),
            ("lfu-log-factor", self.number("lfu_log_factor", 10).to_string()),
            ("save", self.save_rule().to_owned()),
            // The limit is the hard one; the soft one is a quarter of it.
            ("client-output-buffer-limit", format!("pubsub {buffer_mb}mb {}mb 60", buffer_mb / 4)),
            ("acl-pubsub-default", self.text("acl_channels_default", "allchannels")),
            ("active-expire-effort", self.number("active_expire_effort", 1).to_string()),
            ("active-defrag-ignore-bytes", self.number("active_defrag_ignore_bytes", 100 << 20).to_string()),
            ("active-defrag-threshold-lower", self.number("active_defrag_threshold_lower", 10).to_string()),
            ("activedefrag", active_defragmentation.to_owned()),
        ]
    }

    fn save_rule(&self) -> &'static str {
        let frequent = self.config.get("frequent_snapshots") != Some(&Value::Bool(false));
        match (self.text("persistence", "rdb").as_str(), frequent) {
            ("off", _) => "",
            (_, true) => "600 1",
            // As often as backups are taken.
            (_, false) => "43200 1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn directive(kind: &str, config: &Value, name: &str) -> String {
        let settings = Settings::read(kind, config.as_object().unwrap(), 1 << 30);
        let all = settings.fixed.into_iter().chain(settings.live);
        all.into_iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn settings_have_the_prefix_of_their_kind() {
        let config = json!({ "redis_timeout": 7, "valkey_timeout": 8 });
        assert_eq!(directive("redis", &config, "timeout"), "7");
        assert_eq!(directive("valkey", &config, "timeout"), "8");
    }

    #[test]
    fn null_and_absent_stand_for_the_default() {
        for config in [json!({}), json!({ "valkey_maxmemory_policy": null })] {
            assert_eq!(directive("valkey", &config, "maxmemory-policy"), "noeviction");
        }
        assert_eq!(directive("valkey", &json!({}), "maxmemory"), (1024 * 1024 * 1024).to_string());
    }

    #[test]
    fn persistence_and_snapshots_make_one_rule() {
        let rule = |config: Value| directive("valkey", &config, "save");
        assert_eq!(rule(json!({})), "600 1");
        assert_eq!(rule(json!({ "frequent_snapshots": false })), "43200 1");
        assert_eq!(rule(json!({ "valkey_persistence": "off", "frequent_snapshots": true })), "");
    }

    #[test]
    fn ignored_databases_are_a_list() {
        let settings = json!({ "host": "h", "port": 1, "ignore_dbs": "1, 3,", "method": "dump" });
        let migration = Migration::read(&settings).unwrap();
        assert_eq!(migration.ignored_databases, ["1", "3"]);
        assert!(migration.dump && migration.tls);
    }
}
