//! Servers whose data comes from one that they cannot follow: it is copied while nothing writes.

use crate::imports::{PASSWORD, PORT, Source, Writer, first_instance, progress, source_host};
use crate::world::all_programs;
use std::{path::PathBuf, sync::atomic::Ordering, time::Duration};
use tokio::task::JoinHandle;
use valkeeper_backup::Since;
use valkeeper_failover::protocol::Role;
use valkeeper_instance::{
    import::{ImportProgress, ImportRequest},
    restore::RestoreStatus,
    status::StatusAnswer,
};
use valkeeper_server::{Connection, Credentials, Endpoint};

/// A source whose format is later than what the own server reads, and that server.
fn later_and_own() -> Option<(PathBuf, PathBuf)> {
    let programs = all_programs();
    let found = |name: &str| programs.iter().find(|program| program.ends_with(name)).cloned();
    found("valkey-server").zip(found("redis-server"))
}

/// What goes on where no client writes: keys expire, and Sentinels say hello.
async fn go_on_without_clients(source: &Source) -> JoinHandle<()> {
    let mut client = source.client().await.unwrap();
    client.call(&["SELECT", "5"]).await.unwrap();
    for number in 0..2_000 {
        let (key, time) = (format!("expires-{number}"), (8_000 + number * 5).to_string());
        client.call(&["SET", &key, "v", "PX", &time]).await.unwrap();
    }
    tokio::spawn(async move {
        while client.call(&["PUBLISH", "__sentinel__:hello", "x"]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_later_server_is_copied_while_nothing_writes() {
    let Some((later, own)) = later_and_own() else { return };
    let world = first_instance(&own, "AppendOnly").await;
    let node = &world.nodes[0];
    let source = Source::start(&later, &source_host(node), &[]).await;
    let mut client = source.client().await.unwrap();
    let elements: Vec<String> = (0..300).map(|number| format!("element {number}")).collect();
    let push = ["RPUSH", "list"].into_iter().chain(elements.iter().map(String::as_str)).collect::<Vec<_>>();
    for words in [
        &["SET", "early", "v"][..],
        &push,
        &["HSET", "hash", "field", "v"],
        &["ZADD", "sorted", "1.5", "member"],
        &["SADD", "numbers", "1", "2", "3"],
        &["SELECT", "3"],
        &["SET", "expires", "v", "EX", "5000"],
    ] {
        client.call(words).await.unwrap();
    }
    let request = |cut_over| ImportRequest { version: "7.0".to_owned(), ..source.request(true, cut_over) };
    node.client.import(&request(false)).await.unwrap();
    let copies =
        |status: &StatusAnswer| progress(status).is_some_and(|now| now.copies && now.waits_for.is_none());
    assert!(node.until("ready to copy", copies).await.server.is_none(), "no server before the data is there");
    let calm = go_on_without_clients(&source).await;
    let writer = Writer::start(&source).await;
    node.client.import(&request(true)).await.unwrap();
    let waits = |now: &ImportProgress| now.waits_for.as_ref().is_some_and(|why| why.contains("written to"));
    let before = writer.count.load(Ordering::Relaxed);
    let many = async || writer.count.load(Ordering::Relaxed) > before + 2000;
    crate::world::until("many more writes", many).await;
    node.until("waiting for clients", |status| progress(status).is_some_and(waits)).await;
    let acknowledged = writer.stop().await;
    node.until("primary", |status| matches!(status.status.role, Role::Primary(_))).await;
    calm.abort();
    let mut server = node.server().await.unwrap();
    for number in 0..acknowledged {
        let key = format!("written-{number}");
        let there = server.call(&["EXISTS", &key]).await.unwrap();
        assert_eq!(there, valkeeper_server::Value::Integer(1), "{key} of {acknowledged}");
    }
    for (words, expected) in [
        (&["LLEN", "list"][..], 300),
        (&["HLEN", "hash"], 1),
        (&["SCARD", "numbers"], 3),
        (&["SELECT", "3"], 0),
        (&["EXISTS", "expires"], 1),
    ] {
        let answer = server.call(words).await.unwrap();
        assert!(
            words[0] == "SELECT" || answer == valkeeper_server::Value::Integer(expected),
            "{words:?} {answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_no_earlier_server_knows_is_found_by_the_rehearsal() {
    let Some((later, own)) = later_and_own() else { return };
    let world = first_instance(&own, "AppendOnly").await;
    let node = &world.nodes[0];
    let source = Source::start(&later, &source_host(node), &[]).await;
    // Redis 7.0 does not know the form of this set.
    source.client().await.unwrap().call(&["SADD", "words", "a", "b"]).await.unwrap();
    let request = ImportRequest { version: "7.0".to_owned(), ..source.request(true, false) };
    node.client.import(&request).await.unwrap();
    let failed = |status: &StatusAnswer| matches!(status.restore, Some(RestoreStatus::Failed(_)));
    let Some(RestoreStatus::Failed(failure)) = node.until("refused", failed).await.restore else {
        unreachable!()
    };
    assert!(!failure.passing && failure.message.contains("small sets"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn change_after_a_copy_is_noticed_whatever_was_saved() {
    for program in all_programs() {
        let world = first_instance(&program, "AppendOnly").await;
        let source = Source::start(&program, &source_host(&world.nodes[0]), &[]).await;
        let mut client = source.client().await.unwrap();
        client.call(&["SET", "early", "v"]).await.unwrap();
        client.call(&["SET", "gone", "v"]).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let connect = async || {
            let credentials = Credentials { user: "default".to_owned(), password: PASSWORD.to_owned() };
            let endpoint = Endpoint::Tcp(source.host.clone(), PORT);
            Connection::open(&endpoint, Some(&credentials), Duration::from_secs(5)).await.unwrap()
        };
        let dump = folder.path().join("dump");
        let copied = valkeeper_backup::copy(connect().await, &dump, "7.2.4").await.unwrap();
        let position = async || source.client().await.unwrap().info(&[]).await.unwrap().replication().offset;
        let since =
            async || valkeeper_backup::since(connect().await, &copied, position().await).await.unwrap();
        assert_eq!(since().await, Since::Removed(Vec::new()));
        // As Sentinels do, and as keys go that have expired.
        client.call(&["PUBLISH", "__sentinel__:hello", "x"]).await.unwrap();
        client.call(&["DEL", "gone"]).await.unwrap();
        let gone = Since::Removed(vec![(0, b"gone".to_vec())]);
        assert_eq!(since().await, gone, "{}", program.display());
        client.call(&["SET", "early", "w"]).await.unwrap();
        // Which resets the number of changes since the last one.
        crate::world::until("a save", async || client.call(&["SAVE"]).await.is_ok()).await;
        assert_eq!(since().await, Since::Changed, "{}", program.display());
    }
}
