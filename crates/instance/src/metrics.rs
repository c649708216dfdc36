//! Metrics of server and manager, as text. Pure. Names of the server's metrics are those of
//! `redis_exporter`, so that dashboards made for it show the same.

use crate::kernel::Kernel;
use std::fmt::Write as _;
use valkeeper_failover::{Term, manager::Moment, protocol::Role};
use valkeeper_server::{Info, info};

/// The format's name.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metric and field, whose value is a number.
const GAUGES: [(&str, &str); 26] = [
    ("redis_uptime_in_seconds", "uptime_in_seconds"),
    ("redis_connected_clients", "connected_clients"),
    ("redis_blocked_clients", "blocked_clients"),
    ("redis_config_maxclients", "maxclients"),
    ("redis_memory_used_bytes", "used_memory"),
    ("redis_memory_used_rss_bytes", "used_memory_rss"),
    ("redis_memory_used_peak_bytes", "used_memory_peak"),
    ("redis_memory_used_dataset_bytes", "used_memory_dataset"),
    ("redis_memory_max_bytes", "maxmemory"),
    ("redis_mem_fragmentation_ratio", "mem_fragmentation_ratio"),
    ("redis_mem_clients_normal", "mem_clients_normal"),
    ("redis_mem_clients_slaves", "mem_clients_slaves"),
    ("redis_loading_dump_file", "loading"),
    ("redis_rdb_changes_since_last_save", "rdb_changes_since_last_save"),
    ("redis_rdb_bgsave_in_progress", "rdb_bgsave_in_progress"),
    ("redis_rdb_last_save_timestamp_seconds", "rdb_last_save_time"),
    ("redis_aof_enabled", "aof_enabled"),
    ("redis_aof_rewrite_in_progress", "aof_rewrite_in_progress"),
    ("redis_aof_current_size_bytes", "aof_current_size"),
    ("redis_instantaneous_ops_per_sec", "instantaneous_ops_per_sec"),
    ("redis_connected_slaves", "connected_slaves"),
    ("redis_master_repl_offset", "master_repl_offset"),
    ("redis_slave_repl_offset", "slave_repl_offset"),
    ("redis_master_last_io_seconds_ago", "master_last_io_seconds_ago"),
    ("redis_master_sync_in_progress", "master_sync_in_progress"),
    ("redis_repl_backlog_first_byte_offset", "repl_backlog_first_byte_offset"),
];

const COUNTERS: [(&str, &str); 16] = [
    ("redis_commands_processed_total", "total_commands_processed"),
    ("redis_connections_received_total", "total_connections_received"),
    ("redis_rejected_connections_total", "rejected_connections"),
    ("redis_net_input_bytes_total", "total_net_input_bytes"),
    ("redis_net_output_bytes_total", "total_net_output_bytes"),
    ("redis_expired_keys_total", "expired_keys"),
    ("redis_evicted_keys_total", "evicted_keys"),
    ("redis_keyspace_hits_total", "keyspace_hits"),
    ("redis_keyspace_misses_total", "keyspace_misses"),
    ("redis_replica_resyncs_full", "sync_full"),
    ("redis_replica_partial_resync_accepted", "sync_partial_ok"),
    ("redis_replica_partial_resync_denied", "sync_partial_err"),
    ("redis_cpu_sys_seconds_total", "used_cpu_sys"),
    ("redis_cpu_user_seconds_total", "used_cpu_user"),
    ("redis_total_error_replies", "total_error_replies"),
    ("redis_unexpected_error_replies", "unexpected_error_replies"),
];

/// Metric and field, whose value is `ok` or `err`.
const OUTCOMES: [(&str, &str); 3] = [
    ("redis_rdb_last_bgsave_status", "rdb_last_bgsave_status"),
    ("redis_aof_last_bgrewrite_status", "aof_last_bgrewrite_status"),
    ("redis_aof_last_write_status", "aof_last_write_status"),
];

/// What the manager says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) role: Role,
    pub(crate) seen: Term,
    pub(crate) deadline: Option<Moment>,
    pub(crate) now: Moment,
    pub(crate) starts: u64,
    pub(crate) kills: u64,
    /// Seconds until the certificate expires that the server presents.
    pub(crate) certificate: Option<f64>,
    /// It accepts writes because its peers consent.
    pub(crate) by_consent: bool,
    /// It is the only instance of its cluster.
    pub(crate) alone: bool,
    /// A replica that has caught up.
    pub(crate) synced: bool,
    /// Size and free bytes of the volume, where data is kept on one.
    pub(crate) volume: Option<(u64, u64)>,
    /// The kernel of its node.
    pub(crate) kernel: Kernel,
}

/// All metrics; without an answer of the server, those of the manager and that it is down.
pub(crate) fn render(info: Option<&Info>, own: &Own) -> String {
    let mut page = Page(String::new());
    page.family("redis_up", "gauge", [("", u8::from(info.is_some()).to_string())]);
    if let Some(info) = info {
        page.server(info);
    }
    page.manager(own);
    page.0
}

struct Page(String);

impl Page {
    fn family<L: AsRef<str>>(
        &mut self,
        name: &str,
        kind: &str,
        samples: impl IntoIterator<Item = (L, String)>,
    ) {
        let mut first = true;
        for (labels, value) in samples {
            if std::mem::take(&mut first) {
                let _ = writeln!(self.0, "# TYPE {name} {kind}");
            }
            let labels = labels.as_ref();
            let _ = match labels {
                "" => writeln!(self.0, "{name} {value}"),
                labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
            };
        }
    }

    fn server(&mut self, info: &Info) {
        let is_number = |text: &&str| text.parse::<f64>().is_ok();
        for (kind, table) in [("gauge", &GAUGES[..]), ("counter", &COUNTERS[..])] {
            for (name, field) in table {
                let value = Some(info.text(field)).filter(is_number);
                self.family(name, kind, value.map(|value| ("", value.to_owned())));
            }
        }
        for (name, field) in OUTCOMES {
            let value = Some(info.text(field)).filter(|text| !text.is_empty());
            self.family(name, "gauge", value.map(|text| ("", u8::from(text == "ok").to_string())));
        }
        let replication = info.replication();
        let role = if replication.is_primary { "master" } else { "slave" };
        let labels = format!("role=\"{role}\",redis_version=\"{}\"", escape(info.version()));
        self.family("redis_instance_info", "gauge", [(labels, "1".to_owned())]);
        if !replication.is_primary {
            let up = u8::from(replication.link_is_up).to_string();
            self.family("redis_master_link_up", "gauge", [("", up)]);
        }
        let replica = |replica: &info::AttachedReplica| {
            let labels = format!("slave_ip=\"{}\",slave_port=\"{}\"", escape(&replica.host), replica.port);
            (labels, replica.clone())
        };
        let replicas: Vec<_> = replication.replicas.iter().map(replica).collect();
        let offsets = replicas.iter().map(|(labels, replica)| (labels, replica.offset.to_string()));
        self.family("redis_connected_slave_offset_bytes", "gauge", offsets);
        let lags = replicas.iter().map(|(labels, replica)| (labels, replica.lag.to_string()));
        self.family("redis_connected_slave_lag_seconds", "gauge", lags);
        self.numbered(info);
    }

    /// Fields whose names carry a label: databases, commands and errors.
    fn numbered(&mut self, info: &Info) {
        let families = [
            ("redis_db_keys", "gauge", "db", "db", "keys", 1.0),
            ("redis_db_keys_expiring", "gauge", "db", "db", "expires", 1.0),
            ("redis_commands_total", "counter", "cmdstat_", "cmd", "calls", 1.0),
            ("redis_commands_duration_seconds_total", "counter", "cmdstat_", "cmd", "usec", 1e-6),
            ("redis_errors_total", "counter", "errorstat_", "err", "count", 1.0),
        ];
        for (name, kind, prefix, label, part, factor) in families {
            let samples = info.fields().filter_map(|(key, text)| {
                let rest = key.strip_prefix(prefix)?;
                let value: f64 = info::parts(text).find(|(key, _)| *key == part)?.1.parse().ok()?;
                let shown = if prefix == "db" { key } else { rest };
                Some((format!("{label}=\"{}\"", escape(shown)), (value * factor).to_string()))
            });
            let samples: Vec<_> = samples.collect();
            self.family(name, kind, samples);
        }
    }

    fn manager(&mut self, own: &Own) {
        let names = ["held", "changing", "primary", "replica"];
        let current = match own.role {
            Role::Held => "held",
            Role::Changing => "changing",
            Role::Primary(_) => "primary",
            Role::Replica(_) => "replica",
        };
        let roles = names.map(|name| (format!("role=\"{name}\""), u8::from(name == current).to_string()));
        self.family("valkeeper_instance_role", "gauge", roles);
        self.family("valkeeper_instance_term", "gauge", [("", own.seen.0.to_string())]);
        let remaining = own.deadline.map(|deadline| deadline.saturating_sub(own.now).as_secs_f64());
        let remaining = remaining.map(|seconds| ("", format!("{seconds:.3}")));
        self.family("valkeeper_instance_lease_remaining_seconds", "gauge", remaining);
        let flag = |truth: bool| [("", u8::from(truth).to_string())];
        self.family("valkeeper_instance_by_consent", "gauge", flag(own.by_consent));
        self.family("valkeeper_instance_alone", "gauge", flag(own.alone));
        self.family("valkeeper_instance_synced", "gauge", flag(own.synced));
        let certificate = own.certificate.map(|seconds| ("", format!("{seconds:.0}")));
        self.family("valkeeper_instance_certificate_remaining_seconds", "gauge", certificate);
        let (size, free) = own.volume.unzip();
        let number = |bytes: u64| ("", bytes.to_string());
        self.family("valkeeper_instance_volume_size_bytes", "gauge", size.map(number));
        self.family("valkeeper_instance_volume_free_bytes", "gauge", free.map(number));
        let overcommit = own.kernel.overcommit.map(|value| ("", value.to_string()));
        self.family("valkeeper_instance_overcommit_memory", "gauge", overcommit);
        let huge_pages = own.kernel.huge_pages.as_ref();
        let huge_pages = huge_pages.map(|mode| (format!("mode=\"{}\"", escape(mode)), "1".to_owned()));
        self.family("valkeeper_instance_transparent_huge_pages", "gauge", huge_pages);
        self.family("valkeeper_instance_server_starts_total", "counter", [("", own.starts.to_string())]);
        self.family("valkeeper_instance_server_kills_total", "counter", [("", own.kills.to_string())]);
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn own() -> Own {
        Own {
            role: Role::Primary(Term(4)),
            seen: Term(5),
            deadline: Some(Duration::from_millis(12_500)),
            now: Duration::from_secs(10),
            starts: 2,
            kills: 1,
            by_consent: true,
            alone: false,
            synced: true,
            volume: Some((4096, 1024)),
            kernel: Kernel { overcommit: Some(0), huge_pages: Some("always".to_owned()) },
            certificate: Some(86_400.4),
        }
    }

    #[test]
    fn metrics_have_the_names_that_dashboards_read() {
        let info = Info::parse(
            "role:master\r\nvalkey_version:8.0.1\r\nused_memory:1000\r\nmem_fragmentation_ratio:1.25\r\n\
             keyspace_hits:7\r\nrdb_last_bgsave_status:ok\r\nmaster_repl_offset:50\r\n\
             slave0:ip=b.cache,port=6379,state=online,offset=49,lag=1\r\n\
             db0:keys=3,expires=1,avg_ttl=0\r\ncmdstat_get:calls=8,usec=2000000,usec_per_call=1\r\n\
             errorstat_READONLY:count=2\r\n",
        );
        let text = render(Some(&info), &own());
        for line in [
            "redis_up 1",
            "redis_memory_used_bytes 1000",
            "redis_mem_fragmentation_ratio 1.25",
            "# TYPE redis_keyspace_hits_total counter",
            "redis_keyspace_hits_total 7",
            "redis_rdb_last_bgsave_status 1",
            "redis_instance_info{role=\"master\",redis_version=\"8.0.1\"} 1",
            "redis_connected_slave_offset_bytes{slave_ip=\"b.cache\",slave_port=\"6379\"} 49",
            "redis_db_keys{db=\"db0\"} 3",
            "redis_db_keys_expiring{db=\"db0\"} 1",
            "redis_commands_total{cmd=\"get\"} 8",
            "redis_commands_duration_seconds_total{cmd=\"get\"} 2",
            "redis_errors_total{err=\"READONLY\"} 2",
            "valkeeper_instance_role{role=\"primary\"} 1",
            "valkeeper_instance_role{role=\"held\"} 0",
            "valkeeper_instance_term 5",
            "valkeeper_instance_lease_remaining_seconds 2.500",
            "valkeeper_instance_server_kills_total 1",
            "valkeeper_instance_by_consent 1",
            "valkeeper_instance_alone 0",
            "valkeeper_instance_synced 1",
            "valkeeper_instance_certificate_remaining_seconds 86400",
            "valkeeper_instance_volume_size_bytes 4096",
            "valkeeper_instance_overcommit_memory 0",
            "valkeeper_instance_transparent_huge_pages{mode=\"always\"} 1",
            "valkeeper_instance_volume_free_bytes 1024",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("redis_master_link_up"));
    }

    #[test]
    fn metrics_without_a_server_say_that_it_is_down() {
        let text = render(None, &Own { deadline: None, ..own() });
        assert!(text.starts_with("# TYPE redis_up gauge\nredis_up 0\n"));
        assert!(!text.contains("lease_remaining") && text.contains("valkeeper_instance_term 5"));
    }
}
