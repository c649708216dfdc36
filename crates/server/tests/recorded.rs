//! The typed views, checked against answers that Valkey 8.0.1 and Redis 7.0.15 gave to one write, one refused
//! write on a replica, and the questions named in the files.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{fs, path::Path};
use valkeeper_server::{Info, RoleAnswer, Value, resp};

const SERVERS: [(&str, &str, u16); 2] = [("valkey-8.0.1", "8.0.1", 17001), ("redis-7.0.15", "7.0.15", 17002)];

fn recorded(server: &str, what: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let bytes = fs::read(folder.join(format!("{server}-{what}.resp"))).unwrap();
    let (value, length) = resp::decode(&bytes).unwrap().unwrap();
    assert_eq!(length, bytes.len(), "{server} {what}");
    value
}

fn info(server: &str, what: &str) -> Info {
    Info::parse(&recorded(server, what).text().unwrap())
}

#[test]
fn primary_info_is_read_from_both_servers() {
    for (server, version, port) in SERVERS {
        let info = info(server, "primary-info");
        let replication = info.replication();
        assert_eq!(info.version(), version);
        assert_eq!(info.run_id().len(), 40);
        assert!(replication.is_primary);
        assert_eq!(replication.id.len(), 40);
        assert_eq!(replication.offset, 50);
        let [replica] = replication.replicas.as_slice() else { panic!("{replication:?}") };
        assert_eq!((replica.host.as_str(), replica.port), ("127.0.0.1", port + 10));
        assert_eq!((replica.is_online, replica.offset), (true, 50));
        assert_eq!(info.errors("READONLY"), 0);
        assert!(info.memory().used > 500_000);
        assert_eq!(info.memory().limit, 0);
        let persistence = info.persistence();
        assert!(!persistence.loading && !persistence.append_only && persistence.writes_succeed);
    }
}

#[test]
fn replica_info_is_read_from_both_servers() {
    for (server, _, port) in SERVERS {
        let (primary, replica) = (info(server, "primary-info"), info(server, "replica-info"));
        let replication = replica.replication();
        assert!(!replication.is_primary && replication.link_is_up && !replication.copying);
        assert_eq!((replication.primary_host.as_str(), replication.primary_port), ("127.0.0.1", port));
        assert_eq!(replication.id, primary.replication().id);
        assert_eq!(replication.offset, 50);
        assert_eq!(replica.errors("READONLY"), 1);
    }
}

#[test]
fn role_is_read_from_both_servers() {
    for (server, _, port) in SERVERS {
        let primary = RoleAnswer::parse(&recorded(server, "primary-role"));
        assert_eq!(primary, Some(RoleAnswer::Primary { offset: 50, replicas: 1 }));
        let replica = RoleAnswer::parse(&recorded(server, "replica-role"));
        let expected = RoleAnswer::Replica {
            host: "127.0.0.1".to_owned(),
            port,
            link: "connected".to_owned(),
            offset: Some(50),
        };
        assert_eq!(replica, Some(expected));
    }
}

#[test]
fn configuration_is_read_from_both_servers() {
    for (server, ..) in SERVERS {
        let pairs = recorded(server, "config-get").pairs();
        assert!(pairs.contains(&("maxmemory".to_owned(), "0".to_owned())), "{pairs:?}");
        assert!(pairs.contains(&("maxmemory-policy".to_owned(), "noeviction".to_owned())), "{pairs:?}");
    }
}

#[test]
fn info_without_a_field_has_neutral_views() {
    let info = Info::parse("role:replica\r\nprimary_link_status:up\r\nreplica_repl_offset:7\r\nnonsense\r\n");
    let replication = info.replication();
    assert!(!replication.is_primary && replication.link_is_up);
    assert_eq!(replication.offset, 7);
    let empty = Info::parse("");
    assert_eq!(empty.replication().replicas, []);
    assert!(empty.persistence().writes_succeed && !empty.persistence().loading);
    assert_eq!(empty.version(), "");
}
