//! Hostile input at the provider's door: names that look like paths, redirects to other hosts, answers that
//! never end, and answers that are almost right. Nothing may panic, leave its path, follow, or swell.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use valkeeper::provider::{Address, Client, Limits, Reference, Service, Token};

const LIMIT: usize = 64 * 1024;

fn client(url: &str) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let limits = Limits {
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(30),
        response_bytes: LIMIT,
        rate: 0,
    };
    Client::new(Address::parse(url, false).unwrap(), limits).unwrap()
}

fn reference(project: &str, service: &str) -> Reference {
    Reference { project: project.to_owned(), service: service.to_owned() }
}

/// A server that answers every request with `answer`, repeated `times`; returns its address and the request
/// lines that it got.
async fn server(answer: Vec<u8>, times: usize) -> (String, Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (lines, sent) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (noted, counted) = (lines.clone(), sent.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 16 * 1024];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            noted.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
            for _ in 0..times {
                if stream.write_all(&answer).await.is_err() {
                    break;
                }
                counted.fetch_add(answer.len(), Ordering::Relaxed);
            }
        }
    });
    (url, lines, sent)
}

#[tokio::test]
async fn names_never_leave_their_path_segment() {
    let (url, lines, _) =
        server(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".to_vec(), 1)
            .await;
    let (client, token) = (client(&url), Token::parse("token").unwrap());
    let names = [
        "..",
        ".",
        "",
        "../admin",
        "a/../../b",
        "%2e%2e",
        "a%2fb",
        "a?b=c",
        "a#b",
        "ünïcode",
        "a\\b",
        "a;b",
        "a\u{0}b",
        "a\r\nx: y",
        " ",
        "//evil.example",
        "http://evil.example/",
        "a&include_secrets=true",
    ];
    for name in names {
        for reference in [reference(name, "cache"), reference("project", name)] {
            let before = lines.lock().unwrap().len();
            let _ = client.service(&token, &reference).await;
            let _ = client.delete(&token, &reference).await;
            for line in lines.lock().unwrap().iter().skip(before) {
                let target = line.split(' ').nth(1).unwrap();
                let path = target.split('?').next().unwrap();
                let segments: Vec<_> = path.split('/').collect();
                assert!(segments.len() == 6 && path.starts_with("/v1/project/"), "{name:?}: {line}");
                assert_eq!(segments[4], "service", "{name:?}: {line}");
                assert!(
                    ["", "include_secrets=true"].contains(&target[path.len()..].trim_start_matches('?')),
                    "{line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_token_does_not_follow_a_redirect() {
    let (elsewhere, lines, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec(), 1).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: {elsewhere}/v1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let (url, _, _) = server(answer.into_bytes(), 1).await;
        let answer = client(&url).service(&Token::parse("token").unwrap(), &reference("p", "s")).await;
        assert!(answer.is_err(), "{status}: {answer:?}");
    }
    assert!(lines.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let mut head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{\"service\":\"".to_vec();
    head.extend(std::iter::repeat_n(b'x', 32 * 1024));
    // A gigabyte, if somebody read it.
    let (url, _, sent) = server(head, 32 * 1024).await;
    let answer = client(&url).service(&Token::parse("token").unwrap(), &reference("p", "s")).await;
    assert!(answer.is_err_and(|error| error.to_string().contains("larger than")));
    // What is in the buffers of the system was sent, and not much more.
    assert!(sent.load(Ordering::Relaxed) < 64 * 1024 * 1024);
}

/// A service as the provider answers it.
fn sample() -> Value {
    json!({
        "service_name": "cache", "service_type": "valkey", "state": "RUNNING", "plan": "startup-4",
        "cloud_name": "google-europe-west1", "project_vpc_id": null, "disk_space_mb": 1024, "node_count": 1,
        "maintenance": {"dow": "monday", "time": "10:00:00"}, "tech_emails": [{"email": "a@example.com"}],
        "termination_protection": false, "tags": {"env": "test"}, "user_config": {"valkey_timeout": 300},
        "service_integrations": [], "backups": [{"backup_name": "b1"}],
        "service_uri_params": {"host": "h", "port": "1", "user": "u", "password": "AVNS_secret", "ssl": "required"},
    })
}

/// Anything that JSON can hold, small.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_with_a_wrong_part_is_read_or_refused(index in 0_usize..16, part in anything(), cut in 0_usize..600) {
        let mut answer = sample();
        let key = answer.as_object().unwrap().keys().nth(index % 16).unwrap().clone();
        answer[&key] = part;
        let text = answer.to_string();
        if let Ok(service) = serde_json::from_str::<Service>(&text) {
            let shown = format!("{service:?}");
            prop_assert!(!shown.contains("AVNS_"));
        }
        let end = (0..=cut.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        prop_assert!(end == text.len() || serde_json::from_str::<Service>(&text[..end]).is_err());
    }
}
