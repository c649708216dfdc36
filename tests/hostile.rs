//! Hostile input at the boundary to the provider: names that resemble paths, redirects to other hosts, answers that
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
    collections::BTreeMap,
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
        ".\t.",
        "\n..",
        "%252e%252e",
        "..%00",
        "\u{ff0e}\u{ff0e}",
        "\u{202e}evil",
        "service",
    ];
    for name in names {
        for reference in [reference(name, "cache"), reference("project", name)] {
            let before = lines.lock().unwrap().len();
            let _ = client.service(&token, &reference).await;
            let _ = client.create(&token, &reference, json!({})).await;
            let _ = client.update(&token, &reference, json!({})).await;
            let _ = client.patch_tags(&token, &reference, &BTreeMap::new()).await;
            let _ = client.migration(&token, &reference).await;
            let _ = client.delete(&token, &reference).await;
            let _ = client.vpcs(&token, &reference.project).await;
            let _ = client.create_vpc(&token, &reference.project, name, name).await;
            let _ = client.delete_vpc(&token, &reference.project, &reference.service).await;
            for line in lines.lock().unwrap().iter().skip(before) {
                stays_below_its_path(line);
            }
        }
    }
}

/// Of every request, each of its parts is one of those that the operator sends, and names are one segment.
fn stays_below_its_path(line: &str) {
    let (method, target) = line.split_once(' ').unwrap();
    let target = target.strip_suffix(" HTTP/1.1").unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let (head, rest) = segments.split_at(3.min(segments.len()));
    let fits = match (method, rest) {
        ("GET", ["service", _]) => query == "include_secrets=true",
        ("POST", ["service" | "vpcs"])
        | ("DELETE", ["service" | "vpcs", _])
        | ("PUT", ["service", _])
        | ("PATCH", ["service", _, "tags"])
        | ("GET", ["vpcs"] | ["service", _, "migration"]) => query.is_empty(),
        _ => false,
    };
    let special =
        |segment: &&str| ["", ".", "..", "%2e", "%2e%2e"].contains(&segment.to_lowercase().as_str());
    assert!(fits && matches!(head, ["v1", "project", _]) && !segments.iter().any(special), "{line}");
}

#[tokio::test]
async fn a_token_does_not_follow_a_redirect() {
    let (elsewhere, lines, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec(), 1).await;
    for status in ["300 Choices", "301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: {elsewhere}/v1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let (url, _, _) = server(answer.into_bytes(), 1).await;
        let (client, token, cache) =
            (client(&url), Token::parse("token").unwrap(), reference("project", "cache"));
        let answer = client.service(&token, &cache).await;
        assert!(answer.is_err(), "{status}: {answer:?}");
        assert!(client.create(&token, &cache, json!({})).await.is_err(), "{status}");
        assert!(client.delete(&token, &cache).await.is_err(), "{status}");
    }
    assert!(lines.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let mut head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{\"service\":\"".to_vec();
    head.extend(std::iter::repeat_n(b'x', 32 * 1024));
    // A gigabyte, if it were read.
    let (url, _, sent) = server(head, 32 * 1024).await;
    let answer = client(&url).service(&Token::parse("token").unwrap(), &reference("p", "s")).await;
    assert!(answer.is_err_and(|error| error.to_string().contains("larger than")));
    // What is in the buffers of the system was sent, and not much more.
    assert!(sent.load(Ordering::Relaxed) < 64 * 1024 * 1024);
}

/// An answer with this status line and these headers, whose body is all that follows.
fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes(), body].concat()
}

#[tokio::test]
async fn bombs_of_every_kind_are_given_up() {
    let token = Token::parse("token").unwrap();
    let chunk = [b"4000\r\n".as_slice(), &[b' '; 0x4000], b"\r\n"].concat();
    let chunks = [answer("200 OK\r\ntransfer-encoding: chunked", b""), chunk.repeat(64)].concat();
    let many_headers = "\r\nx: y".repeat(20_000);
    let long_header = format!("200 OK\r\nx: {}", "y".repeat(4 * 1024 * 1024));
    for (name, bomb) in [
        ("chunks", chunks),
        ("an error", answer("500 Oops", &vec![b'x'; 4 * LIMIT])),
        ("depth", answer("200 OK", &vec![b'['; LIMIT - 1])),
        ("depth in an error", answer("400 Bad", &vec![b'['; LIMIT - 1])),
        ("headers", answer(&format!("200 OK{many_headers}"), b"{}")),
        ("a header", answer(&long_header, b"{}")),
    ] {
        let (url, _, _) = server(bomb, 1).await;
        let error = client(&url).service(&token, &reference("p", "s")).await.unwrap_err();
        assert!(error.to_string().len() < 2048, "{name}: {}", error.to_string().len());
    }
}

#[tokio::test]
async fn nothing_is_unpacked() {
    // An empty object, packed: if it were read as one, so would a bomb be.
    let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 171, 174, 5, 0, 67, 191, 166, 163, 2, 0, 0, 0];
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let head = format!("200 OK\r\ncontent-encoding: {encoding}\r\ncontent-type: application/json");
        let (url, lines, _) = server(answer(&head, &packed), 1).await;
        let read = client(&url).delete(&Token::parse("token").unwrap(), &reference("p", "s")).await;
        assert!(read.is_err_and(|error| error.to_string().contains("unreadable answer")), "{encoding}");
        let request = lines.lock().unwrap()[0].clone();
        assert!(request.starts_with("DELETE "), "{request}");
    }
}

#[tokio::test]
async fn no_packing_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let asking =
        tokio::spawn(
            async move { client.service(&Token::parse("token").unwrap(), &reference("p", "s")).await },
        );
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = vec![0; 16 * 1024];
    let length = stream.read(&mut request).await.unwrap();
    let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
    assert!(
        request.contains("authorization: aivenv1 token") && !request.contains("accept-encoding"),
        "{request}"
    );
    drop(stream);
    assert!(asking.await.unwrap().is_err());
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

#[tokio::test]
async fn outage_sends_calls_after_an_edit_and_holds_back_repetitions() {
    let refusal =
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
    let (url, lines, _) = server(refusal, 1).await;
    let (client, token) = (client(&url), Token::parse("token").unwrap());
    let cache = reference("project", "cache");
    let sent = || lines.lock().unwrap().len();
    for _ in 0..100 {
        client.service(&token, &cache).await.unwrap_err();
    }
    let repeated = sent();
    assert!((20..50).contains(&repeated), "{repeated} of 100 calls were sent");
    let error = client.urgent(true).service(&token, &cache).await.unwrap_err();
    assert_eq!(sent(), repeated + 1, "{error}");
}
