//! Clients of Sentinel that are hostile, and those that people use at a command line.

use crate::{
    operator::Operator,
    sentinel::{CLUSTER, PORT, answering, client, named, world},
    world::valkey,
};
use std::{process::Command, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use valkeeper_testbed::tools;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_clients_are_turned_away_and_others_are_served() {
    let Some(program) = valkey() else { return };
    let world = world(&program, 1, &answering()).await;
    let node = &world.nodes[0];
    drop(client(node).await);
    let noise = [
        b"*3\r\n$3\r\nSET\r\n:1\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: cache\r\n\r\n".to_vec(),
        b"*1\r\n".repeat(1_000),
        b"$".repeat(1_000_000),
        b"*99999\r\n$99999999\r\n".repeat(20_000),
    ];
    for bytes in noise {
        let mut stream = TcpStream::connect((node.host.as_str(), PORT)).await.unwrap();
        // It may hang up before it has read everything.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.lines().all(|line| line.starts_with("-ERR") || line.starts_with("-NOAUTH")), "{text}");
    }
    // Half a command is no command, and many clients are no obstacle for others.
    let mut idle = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect((node.host.as_str(), PORT)).await.unwrap();
        stream.write_all(b"*2\r\n$4\r\nAUTH\r\n$4\r\nwo").await.unwrap();
        idle.push(stream);
    }
    assert_eq!(named(node).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_send_without_an_end_are_disconnected() {
    let Some(program) = valkey() else { return };
    let world = world(&program, 1, &answering()).await;
    let node = &world.nodes[0];
    let after = async |words: &[&str], bytes: usize| {
        let mut stream = TcpStream::connect((node.host.as_str(), PORT)).await.unwrap();
        for word in words {
            stream.write_all(word.as_bytes()).await.unwrap();
        }
        let _ = stream.write_all(&vec![b'x'; bytes]).await;
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        (ended.is_ok(), String::from_utf8(answer).unwrap())
    };
    drop(client(node).await);
    let begun = "*1\r\n$60000\r\n";
    assert!(after(&[begun], 5000).await.0, "a stranger");
    assert!(!after(&[begun], 1000).await.0, "more may come");
    assert!(!after(&["AUTH word\r\n", begun], 5000).await.0, "it has authenticated");
    assert!(after(&["AUTH word\r\n", begun], 9000).await.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn command_line_clients_understand_the_answers() {
    let Some(program) = valkey() else { return };
    let Some(cli) = tools::REDIS_CLI.or_skip() else { return };
    let world = world(&program, 3, &answering()).await;
    let mut operator = Operator::new();
    let primary = operator.settled(&world).await;
    let primary = world.node(&primary);
    for protocol in ["-2", "-3"] {
        let ask = |words: &[&str]| {
            let output = Command::new(&cli)
                .args([protocol, "-h", &world.nodes[0].host, "-p", "26379"])
                .args(words)
                .env("REDISCLI_AUTH", "word")
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let address = ask(&["sentinel", "get-master-addr-by-name", CLUSTER]);
        assert_eq!(address.lines().collect::<Vec<_>>(), [primary.host.as_str(), "6379"], "{protocol}");
        for (words, part) in [
            (&["sentinel", "masters"][..], primary.host.as_str()),
            (&["sentinel", "replicas", CLUSTER], "master-link-status"),
            (&["sentinel", "ckquorum", CLUSTER], "OK 3 usable Sentinels"),
            (&["info"], "redis_mode:sentinel"),
            (&["role"], "sentinel"),
            (&["sentinel", "failover", CLUSTER], "refused"),
            (&["sentinel", "master", "other"], "ERR No such master with that name"),
        ] {
            let answer = ask(words);
            assert!(answer.contains(part), "{protocol} {words:?} {answer}");
        }
    }
}
