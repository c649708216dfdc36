//! Answers about a cluster, in the words of Sentinel: what clients look for in them is there, and what has no meaning
//! without Sentinel has the value of a set-up in which all is well. Pure.
//!
//! Guarantee: without a topology, every answer says that the primary is not known.

use super::commands::Question;
use super::session::{COMPATIBLE, Reply, bytes};
use super::topology::{Address, Topology};
use std::fmt::Write as _;
use valkeeper_server::Value;

/// Begins as the answer to an unknown name, which clients know as "ask another Sentinel".
const UNKNOWN: &str = "ERR No such master with that name: its primary is not known at the moment";

/// What a manager says of itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// The name of the cluster, as clients have it in their settings.
    pub(crate) cluster: String,
    /// Servers that there should be.
    pub(crate) instances: u32,
}

/// Where the primary is.
pub(crate) fn address(address: Option<&Address>) -> Reply {
    address.map_or(Reply::NoList, |Address { host, port }| {
        Reply::Value(Value::Array(vec![bytes(host), bytes(&port.to_string())]))
    })
}

/// The answer to a question.
pub(crate) fn answer(question: &Question, about: &About, topology: Option<&Topology>) -> Reply {
    match (question, topology) {
        (Question::Address, topology) => address(topology.map(|topology| &topology.primary.address)),
        (Question::Primaries, None) => Reply::Value(Value::Array(Vec::new())),
        (Question::Info, topology) => Reply::Value(Value::Bytes(info(about, topology).into_bytes())),
        (Question::Primary | Question::Replicas | Question::Peers, None) => Reply::error(UNKNOWN),
        (Question::Quorum, None) => Reply::error(
            "NOQUORUM the primary is not known at the moment, so that nobody can fail over from it",
        ),
        (question, Some(topology)) => Reply::Value(known(question, about, topology)),
    }
}

fn known(question: &Question, about: &About, topology: &Topology) -> Value {
    match question {
        Question::Address | Question::Info | Question::Primary => primary(about, topology),
        Question::Primaries => Value::Array(vec![primary(about, topology)]),
        Question::Replicas => replicas(topology),
        Question::Peers => peers(topology),
        Question::Quorum => quorum(about, topology),
    }
}

/// Name and value of each field.
fn fields(fields: Vec<(&str, String)>) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (bytes(name), bytes(&value))).collect())
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// What every entry has: an address, and a link that works.
fn entry(name: String, address: &Address, id: &str, flags: &str) -> Vec<(&'static str, String)> {
    vec![
        ("name", name),
        ("ip", address.host.clone()),
        ("port", address.port.to_string()),
        ("runid", text(id)),
        ("flags", text(flags)),
        ("link-pending-commands", text("0")),
        ("link-refcount", text("1")),
        ("last-ping-sent", text("0")),
        ("last-ok-ping-reply", text("0")),
        ("last-ping-reply", text("0")),
        ("down-after-milliseconds", text("5000")),
    ]
}

/// More than half.
fn majority(about: &About) -> usize {
    usize::try_from(about.instances).unwrap_or_default() / 2 + 1
}

fn primary(about: &About, topology: &Topology) -> Value {
    let primary = &topology.primary;
    let mut entry = entry(about.cluster.clone(), &primary.address, &primary.run_id, "master");
    entry.extend([
        ("info-refresh", text("0")),
        ("role-reported", text("master")),
        ("role-reported-time", text("0")),
        ("config-epoch", primary.term.0.to_string()),
        ("num-slaves", primary.replicas.len().to_string()),
        ("num-other-sentinels", topology.peers.len().to_string()),
        ("quorum", majority(about).to_string()),
        ("failover-timeout", text("60000")),
        ("parallel-syncs", text("1")),
    ]);
    fields(entry)
}

fn replicas(topology: &Topology) -> Value {
    let primary = &topology.primary.address;
    let entries = topology.primary.replicas.iter().map(|replica| {
        let mut entry = entry(replica.address.to_string(), &replica.address, "", "slave");
        entry.extend([
            ("info-refresh", text("0")),
            ("role-reported", text("slave")),
            ("role-reported-time", text("0")),
            ("master-link-down-time", text("0")),
            ("master-link-status", text("ok")),
            ("master-host", primary.host.clone()),
            ("master-port", primary.port.to_string()),
            ("slave-priority", text("100")),
            ("slave-repl-offset", replica.offset.to_string()),
            ("replica-announced", text("1")),
            ("lag", replica.lag.to_string()),
        ]);
        fields(entry)
    });
    Value::Array(entries.collect())
}

fn peers(topology: &Topology) -> Value {
    let entries = topology.peers.iter().map(|peer| {
        let mut entry = entry(peer.id.clone(), &peer.address, &peer.id, "sentinel");
        entry.extend([
            ("last-hello-message", text("0")),
            ("voted-leader", text("?")),
            ("voted-leader-epoch", topology.primary.term.0.to_string()),
        ]);
        fields(entry)
    });
    Value::Array(entries.collect())
}

/// Managers that answer stand for Sentinels. Without a replica, no failover is possible.
fn quorum(about: &About, topology: &Topology) -> Value {
    let usable = topology.peers.len() + 1;
    if usable < majority(about) {
        return Value::Error(format!(
            "NOQUORUM {usable} usable Sentinels. Not enough available Sentinels to reach the specified quorum for this \
             master"
        ));
    }
    if about.instances > 1 && topology.primary.replicas.is_empty() {
        return Value::Error(format!("NOQUORUM {usable} usable Sentinels. No replica could take over"));
    }
    Value::Simple(format!("OK {usable} usable Sentinels. Quorum and failover authorization can be reached"))
}

/// The sections of `INFO` for which no server has to be asked.
pub(crate) fn about_this_program() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "# Server\r\nredis_version:{COMPATIBLE}\r\nserver_name:valkeeper\r\nvalkeeper_version:{version}\r\n\
         redis_mode:sentinel\r\nprocess_id:{}\r\n",
        std::process::id()
    )
}

fn info(about: &About, topology: Option<&Topology>) -> String {
    let mut text = about_this_program();
    let known = u8::from(topology.is_some());
    let _ = write!(
        text,
        "\r\n# Sentinel\r\nsentinel_masters:{known}\r\nsentinel_tilt:0\r\nsentinel_tilt_since_seconds:-1\r\n\
         sentinel_running_scripts:0\r\nsentinel_scripts_queue_length:0\r\nsentinel_simulate_failure_flags:0\r\n"
    );
    if let Some(topology) = topology {
        let (name, address) = (&about.cluster, &topology.primary.address);
        let (replicas, sentinels) = (topology.primary.replicas.len(), topology.peers.len() + 1);
        let _ = write!(
            text,
            "master0:name={name},status=ok,address={address},slaves={replicas},sentinels={sentinels}\r\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::topology::{Peer, Primary, Replica};
    use super::*;
    use valkeeper_failover::Term;

    fn address(last: u8) -> Address {
        Address { host: format!("10.0.0.{last}"), port: 6379 }
    }

    fn about(instances: u32) -> About {
        About { cluster: "cache".to_owned(), instances }
    }

    fn topology(replicas: u8, peers: u8) -> Topology {
        let replica = |last| Replica { address: address(last), offset: 70, lag: 1 };
        let peer =
            |last| Peer { address: Address { port: 26379, ..address(last) }, id: format!("id-{last}") };
        let primary = Primary {
            address: address(1),
            run_id: "run".to_owned(),
            term: Term(4),
            replicas: (2..2 + replicas).map(replica).collect(),
        };
        Topology { primary, peers: (2..2 + peers).map(peer).collect() }
    }

    #[test]
    fn a_manager_that_does_not_know_the_primary_says_so() {
        let unknown = |question| answer(&question, &about(3), None);
        assert_eq!(unknown(Question::Address), Reply::NoList);
        assert_eq!(unknown(Question::Primaries), Reply::Value(Value::Array(Vec::new())));
        for question in [Question::Primary, Question::Replicas, Question::Peers, Question::Quorum] {
            let reply = unknown(question.clone());
            assert!(matches!(reply, Reply::Value(Value::Error(_))), "{question:?} {reply:?}");
        }
        let Reply::Value(text) = unknown(Question::Info) else { panic!() };
        assert!(text.text().unwrap().contains("sentinel_masters:0\r\n"));
    }

    #[test]
    fn entries_have_the_fields_that_clients_look_for() {
        let value = |question| match answer(&question, &about(3), Some(&topology(2, 2))) {
            Reply::Value(value) => value,
            other => panic!("{other:?}"),
        };
        let first = |value: Value| value.elements()[0].pairs();
        let has = |pairs: &[(String, String)], name: &str, expected: &str| {
            let found = pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
            assert_eq!(found, Some(expected), "{name}");
        };
        let primary = first(value(Question::Primaries));
        for (name, expected) in [
            ("name", "cache"),
            ("ip", "10.0.0.1"),
            ("port", "6379"),
            ("flags", "master"),
            ("config-epoch", "4"),
            ("num-slaves", "2"),
            ("num-other-sentinels", "2"),
            ("quorum", "2"),
        ] {
            has(&primary, name, expected);
        }
        let replica = first(value(Question::Replicas));
        for (name, expected) in [
            ("name", "10.0.0.2:6379"),
            ("flags", "slave"),
            ("master-link-status", "ok"),
            ("slave-repl-offset", "70"),
        ] {
            has(&replica, name, expected);
        }
        let peer = first(value(Question::Peers));
        for (name, expected) in [("name", "id-2"), ("port", "26379"), ("flags", "sentinel")] {
            has(&peer, name, expected);
        }
    }

    #[test]
    fn quorum_needs_most_managers_and_a_replica_that_can_take_over() {
        let table = [
            (3, 2, 2, true),
            (3, 1, 1, true),
            (3, 0, 0, false),
            (3, 0, 2, false),
            (1, 0, 0, true),
            (5, 1, 1, false),
        ];
        for (instances, replicas, peers, fine) in table {
            let reply = answer(&Question::Quorum, &about(instances), Some(&topology(replicas, peers)));
            let is_fine = matches!(&reply, Reply::Value(Value::Simple(text)) if text.starts_with("OK "));
            assert_eq!(is_fine, fine, "{instances} {replicas} {peers} {reply:?}");
        }
    }
}
