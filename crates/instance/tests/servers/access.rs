//! Who may do what: passwords of the server, certificates for verbs.

use crate::{
    operator::Operator,
    world::{Node, Setup, World, all_programs, valkey},
};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use valkeeper_failover::{Name, Term, protocol::Role};
use valkeeper_instance::client::{self, ClientIdentity, InstanceClient};
use valkeeper_server::{Credentials, ErrorClass, Value};
use valkeeper_testbed::certificates::{Authority, Issued, LATER};

impl Node {
    /// Writes who may log in, as Kubernetes replaces a file: clients with these passwords.
    pub(crate) fn accept(&self, revision: u32, passwords: &[&str]) {
        let clients: Vec<String> = passwords.iter().map(|password| sha256(password)).collect();
        let text = format!("{{revision: '{revision}', clients: {clients:?}, servers: 'among \"servers'}}\n");
        fs::write(self.folder.join("access.new"), text).unwrap();
        fs::rename(self.folder.join("access.new"), self.folder.join("access")).unwrap();
    }
}

/// As `sha256sum` prints it.
pub(crate) fn sha256(text: &str) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    String::from_utf8(output).unwrap().split(' ').next().unwrap().to_owned()
}

fn default_user(password: &str) -> Credentials {
    Credentials { user: "default".to_owned(), password: password.to_owned() }
}

/// Instances whose clients have the password `first "canary`, and the primary.
pub(crate) async fn settled(program: &Path, more: &str) -> (World, Operator, Name) {
    let setup = Setup { server: format!("  accessFile: FOLDER/access\n{more}"), ..Setup::default() };
    let mut world = World::new(program, 2, &setup);
    for node in &mut world.nodes {
        node.accept(1, &["first \"canary"]);
        node.password = Some("first \"canary".to_owned());
        node.start();
    }
    let mut operator = Operator::new();
    let primary = operator.settled(&world).await;
    (world, operator, primary)
}

pub(crate) async fn is_denied(node: &Node, user: &Credentials) -> bool {
    node.server_as(Some(user)).await.is_err_and(|error| error.class() == ErrorClass::Denied)
}

#[tokio::test(flavor = "multi_thread")]
async fn password_is_rotated_and_no_client_is_disconnected() {
    for program in all_programs() {
        let (mut world, mut operator, primary) = settled(&program, "").await;
        let (old, new) = (default_user("first \"canary"), default_user("other-canary"));
        let node = world.node(&primary);
        let mut nobody = node.server_as(None).await.unwrap();
        assert_eq!(nobody.key_count().await.unwrap_err().class(), ErrorClass::Denied);
        let mut client = node.server_as(Some(&old)).await.unwrap();
        let id = client.call(&["CLIENT", "ID"]).await.unwrap();
        let mut subscriber = node.server_as(Some(&old)).await.unwrap();
        subscriber.call(&["SUBSCRIBE", "news"]).await.unwrap();
        let full = node.info_number("stats", "sync_full").await;
        for (revision, passwords) in [(2, &["first \"canary", "other-canary"][..]), (3, &["other-canary"])] {
            for node in &world.nodes {
                node.accept(revision, passwords);
                let revision = revision.to_string();
                node.until("aware of its passwords", |status| status.access == revision).await;
                assert!(node.server_as(Some(&new)).await.is_ok());
                assert_eq!(is_denied(node, &old).await, passwords.len() == 1);
            }
        }
        assert_eq!(client.call(&["CLIENT", "ID"]).await.unwrap(), id, "it was not disconnected");
        let heard = client.call(&["PUBLISH", "news", "x"]).await.unwrap();
        assert_eq!(heard, Value::Integer(1), "the subscriber is there");
        for node in &mut world.nodes {
            node.password = Some("other-canary".to_owned());
        }
        let node = world.node(&primary);
        assert_eq!(node.info_number("stats", "sync_full").await, full, "replicas went on");
        for node in &world.nodes {
            let config = fs::read_to_string(node.folder.join("run/server.conf")).unwrap();
            for text in [node.log(), config] {
                assert!(!text.contains("canary"), "{text}");
            }
        }
        // Links that are new, and servers that are.
        let other = world.nodes.iter().find(|node| node.name != primary).unwrap().name.clone();
        let other = world.node_mut(&other);
        other.kill();
        other.start();
        other.until("back", |status| status.access == "3").await;
        assert_eq!(operator.settled(&world).await, primary);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_cannot_be_used_changes_nothing() {
    let Some(program) = valkey() else { return };
    let (world, _, primary) = settled(&program, "").await;
    let node = world.node(&primary);
    fs::write(node.folder.join("access"), "{clients: [], servers: x}").unwrap();
    let refused = node.client.reload(Term(9)).await.unwrap_err().to_string();
    assert!(refused.contains("does not list hashes"), "{refused}");
    assert!(node.server().await.is_ok());
    assert_eq!(node.client.status().await.unwrap().access, "1");
    assert_eq!(
        node.server_as(None).await.unwrap().key_count().await.unwrap_err().class(),
        ErrorClass::Denied
    );
}

/// What each user of valkeeper may do; besides, everybody may say who he is.
const RIGHTS: [(&str, &[&str]); 3] = [
    ("valkeeper-replication", &["ping", "psync", "replconf", "sync"]),
    ("valkeeper-monitor", &["info", "ping"]),
    ("valkeeper", &["info", "ping", "replicaof"]),
];
const SUBCOMMANDS: [&str; 12] = [
    "config get maxmemory",
    "config set maxmemory 1",
    "config rewrite",
    "config resetstat",
    "client kill type normal",
    "client list",
    "client no-evict on",
    "acl setuser x",
    "acl list",
    "acl deluser x",
    "script flush",
    "debug sleep 0",
];

#[tokio::test(flavor = "multi_thread")]
async fn users_may_do_what_they_are_for_and_nothing_else() {
    for program in all_programs() {
        let (world, _, primary) = settled(&program, "").await;
        let mut server = world.node(&primary).server().await.unwrap();
        let commands = server.call(&["COMMAND", "INFO"]).await.unwrap();
        for (user, rights) in RIGHTS {
            let mut may = Vec::new();
            for command in commands.elements() {
                let name = command.elements()[0].text().unwrap();
                let Value::Integer(arity) = command.elements()[1] else { panic!("{command:?}") };
                let count = usize::try_from(arity.unsigned_abs()).unwrap() - 1;
                let words: Vec<&str> = ["ACL", "DRYRUN", user, &name]
                    .into_iter()
                    .chain(std::iter::repeat_n("1", count))
                    .collect();
                if server.call(&words).await.is_ok_and(|answer| answer.text().as_deref() == Some("OK")) {
                    may.push(name);
                }
            }
            may.retain(|name| !["auth", "hello", "quit", "reset"].contains(&name.as_str()));
            may.sort();
            assert_eq!(may, rights, "{user}");
            for text in SUBCOMMANDS {
                let words: Vec<&str> = ["ACL", "DRYRUN", user].into_iter().chain(text.split(' ')).collect();
                let answer = server.call(&words).await;
                let may = answer.is_ok_and(|answer| answer.text().as_deref() == Some("OK"));
                let needed = ["config get", "config set", "client kill", "acl setuser", "acl deluser"];
                let needed = user == "valkeeper" && needed.iter().any(|start| text.starts_with(start));
                assert_eq!(may, needed, "{user}: {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_have_a_password_that_reads_and_changes_nothing() {
    for program in all_programs() {
        let (world, _, primary) = settled(&program, "").await;
        let node = world.node(&primary);
        let own = |user: &str| Credentials { user: user.to_owned(), password: "among \"servers".to_owned() };
        for user in ["default", "valkeeper"] {
            assert!(is_denied(node, &own(user)).await, "{user}");
        }
        for user in ["valkeeper-replication", "valkeeper-monitor"] {
            let mut server = node.server_as(Some(&own(user))).await.unwrap();
            assert!(server.ping().await.is_ok());
            for words in [&["GET", "a"][..], &["SET", "a", "b"], &["KEYS", "*"], &["CONFIG", "GET", "*"]] {
                let refused = server.call(words).await.unwrap_err();
                assert_eq!(refused.class(), ErrorClass::Denied, "{user} {words:?}");
            }
        }
        let replicas = node.server().await.unwrap().call(&["CLIENT", "LIST", "TYPE", "replica"]).await;
        let replicas = replicas.unwrap().text().unwrap();
        assert!(replicas.contains("user=valkeeper-replication"), "{replicas}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_use_two_connections_may_follow() {
    let Some(program) = valkey() else { return };
    let directives = "  directives: {dual-channel-replication-enabled: 'yes', repl-diskless-sync: 'yes'}\n";
    let (world, _, primary) = settled(&program, directives).await;
    let mut server = world.node(&primary).server().await.unwrap();
    server.call(&["SET", "a", "b"]).await.unwrap();
    assert_eq!(server.wait(1, Duration::from_mins(1)).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_are_taken_from_holders_of_a_certificate_only() {
    let Some(program) = valkey() else { return };
    let tls = "control: {address: 'HOST:7379', tls: {certificate: FOLDER/tls.crt, key: FOLDER/tls.key, \
               authority: FOLDER/ca.crt}}\n";
    let mut world = World::new(&program, 1, &Setup { more: tls.to_owned(), ..Setup::default() });
    let [authority, foreign, renewed] = ["one", "two", "three"].map(|name| Authority::new(name).unwrap());
    let node = &mut world.nodes[0];
    let Issued { certificate, key } = authority.issue(&[&node.host], LATER).unwrap();
    for (name, text) in [("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &authority.pem)] {
        fs::write(node.folder.join(name), text).unwrap();
    }
    node.start();
    let client = |issuer: Option<&Authority>| {
        let Issued { certificate, key } = issuer.unwrap_or(&foreign).issue(&["127.0.0.1"], LATER).unwrap();
        let identity = format!("{certificate}{key}");
        let identity = ClientIdentity { authority: &authority.pem, identity: &identity };
        InstanceClient::new(client::http(Some(identity)).unwrap(), format!("https://{}:7379", node.host))
    };
    node.client = client(Some(&authority));
    node.until("held", |status| status.status.role == Role::Held).await;
    assert!(client(None).status().await.is_err(), "a certificate of another authority");
    assert!(client(None).promote(Term(1), 1).await.is_err());
    let anonymous = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap()])
        .build()
        .unwrap();
    let anonymous = InstanceClient::new(anonymous, format!("https://{}:7379", node.host));
    assert!(anonymous.promote(Term(1), 1).await.is_err(), "no certificate");
    // Renewed files are used without a restart.
    let Issued { certificate, key } = renewed.issue(&[&node.host], LATER).unwrap();
    for (name, text) in [("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &renewed.pem)] {
        fs::write(node.folder.join(name), text).unwrap();
    }
    let own = renewed.issue(&["127.0.0.1"], LATER).unwrap();
    let identity = format!("{}{}", own.certificate, own.key);
    let identity = ClientIdentity { authority: &renewed.pem, identity: &identity };
    let renewed =
        InstanceClient::new(client::http(Some(identity)).unwrap(), format!("https://{}:7379", node.host));
    renewed.hold(Term(1)).await.unwrap();
    assert_eq!(renewed.promote(Term(1), 1).await.unwrap().status.role, Role::Primary(Term(1)));
}
