//! Users that files describe, on real servers: what they may do, and what a server does with files that change.

use crate::{
    access::{is_denied, settled, sha256},
    world::{Node, all_programs, until, valkey},
};
use serde_json::json;
use std::fs;
use valkeeper_server::{Credentials, ErrorClass};

impl Node {
    /// Writes the file of a user, as Kubernetes replaces a file.
    fn describe(&self, user: &str, revision: &str, rules: &[&str], passwords: &[&str]) {
        let passwords: Vec<String> = passwords.iter().map(|password| sha256(password)).collect();
        let entry = json!({
            "resource": user, "uid": "u", "revision": revision, "rules": rules, "passwords": passwords,
        });
        let file = self.folder.join(format!("user.{user}.json"));
        fs::write(self.folder.join("user.new"), entry.to_string()).unwrap();
        fs::rename(self.folder.join("user.new"), file).unwrap();
    }

    async fn until_taken(&self, user: &str, revision: &str) -> Option<String> {
        let mut refused = None;
        until("the user is taken", async || {
            let users = self.client.users().await.unwrap();
            let answer = users.get(user).filter(|answer| answer.revision == revision);
            refused = answer.and_then(|answer| answer.refused.clone());
            answer.is_some()
        })
        .await;
        refused
    }
}

fn reader(password: &str) -> Credentials {
    Credentials { user: "reader".to_owned(), password: password.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_may_do_what_their_files_say() {
    for program in all_programs() {
        let (world, _, primary) = settled(&program, "").await;
        let node = world.node(&primary);
        node.describe("reader", "1", &["~orders:*", "&news", "+@read", "+subscribe"], &["canary"]);
        assert_eq!(node.until_taken("reader", "1").await, None);
        let mut client = node.server_as(Some(&reader("canary"))).await.unwrap();
        client.call(&["GET", "orders:1"]).await.unwrap();
        for words in
            [&["GET", "secrets"][..], &["SET", "orders:1", "x"], &["SUBSCRIBE", "other"], &["ACL", "LIST"]]
        {
            let refused = client.call(words).await.unwrap_err();
            assert_eq!(refused.class(), ErrorClass::Denied, "{words:?}");
        }
        // Others are not touched, and what it may do changes under its connection.
        let mut server = node.server().await.unwrap();
        server.acl_set_user("theirs", &["on", ">word"]).await.unwrap();
        node.describe("reader", "2", &["~orders:*", "+@read", "+set"], &["canary", "second"]);
        assert_eq!(node.until_taken("reader", "2").await, None);
        client.call(&["SET", "orders:1", "x"]).await.unwrap();
        assert!(!is_denied(node, &reader("second")).await);
        // A file that is lost ends nobody; one that says so does.
        fs::remove_file(node.folder.join("user.reader.json")).unwrap();
        node.describe("other", "1", &["+ping"], &["word"]);
        assert_eq!(node.until_taken("other", "1").await, None);
        client.call(&["SET", "orders:1", "x"]).await.unwrap();
        node.describe("reader", "3", &[], &[]);
        assert_eq!(node.until_taken("reader", "3").await, None);
        assert!(client.call(&["GET", "orders:1"]).await.is_err(), "it is disconnected");
        assert!(is_denied(node, &reader("canary")).await);
        let users = server.call(&["ACL", "USERS"]).await.unwrap();
        let users: Vec<_> = users.elements().iter().filter_map(valkeeper_server::Value::text).collect();
        assert!(users.contains(&"theirs".to_owned()) && !users.contains(&"reader".to_owned()), "{users:?}");
        assert!(!node.log().contains("canary"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn user_that_is_refused_hinders_no_other_and_no_start() {
    for program in all_programs() {
        let (mut world, mut operator, primary) = settled(&program, "").await;
        let node = world.node_mut(&primary);
        node.describe("broken", "1", &["+nonsense"], &["a"]);
        node.describe("reader", "1", &["~*", "+@read"], &["b"]);
        let refused = node.until_taken("broken", "1").await.unwrap();
        assert!(refused.contains("nonsense"), "{refused}");
        assert_eq!(node.until_taken("reader", "1").await, None);
        fs::write(node.folder.join("user.torn.json"), "{").unwrap();
        node.kill();
        node.start();
        operator.settled(&world).await;
        let node = world.node(&primary);
        assert!(node.until_taken("broken", "1").await.is_some());
        assert!(!is_denied(node, &reader("b")).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_starts_is_ready_after_it_knows_its_users() {
    let Some(program) = valkey() else { return };
    let (world, mut operator, primary) = settled(&program, "").await;
    let node = world.node(&primary);
    node.describe("reader", "1", &["~*", "+@read"], &["b"]);
    node.until_taken("reader", "1").await;
    let pid = node.server_pid().await;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("another server", async || {
        node.server().await.is_ok() && node.client.status().await.is_ok_and(|status| status.server.is_some())
    })
    .await;
    operator.settled(&world).await;
    for node in &world.nodes {
        let ready = format!("http://{}:8080/readyz", node.host);
        until("ready", async || world.http.get(&ready).send().await.is_ok_and(|got| got.status() == 200))
            .await;
    }
    assert!(!is_denied(world.node(&primary), &reader("b")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_checked_without_letting_anybody_in() {
    for program in all_programs() {
        let (world, _, primary) = settled(&program, "").await;
        let node = world.node(&primary);
        let check = async |rules: &[&str]| {
            let rules = rules.iter().map(|&rule| rule.to_owned()).collect();
            node.client.check_rules(rules).await.unwrap()
        };
        assert_eq!(
            check(&["~a:*", "%R~b:*", "&c", "+@read", "-keys", "(+set ~d)", "+client|setname"]).await,
            None
        );
        for wrong in ["+nonsense", "+@nonsense", "%X~a", "(+get", "everything"] {
            let refused = check(&[wrong]).await;
            assert!(refused.is_some(), "{wrong}");
        }
        let users = node.server().await.unwrap().call(&["ACL", "LIST"]).await.unwrap();
        assert!(!format!("{users:?}").contains("candidate"), "{users:?}");
    }
}
