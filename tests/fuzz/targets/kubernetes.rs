//! Requests of any form to the simulated Kubernetes API server: each is answered, in the server's own words when
//! it is refused, and what is stored can be read back.

use super::servers::Kubernetes;
use axum::body::Body;
use futures::{FutureExt as _, StreamExt as _};
use http::{Request, Response, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// What stands between two requests of an input.
const NEXT: &[u8] = b"\n====\n";
/// The most requests of one input.
const MOST: usize = 8;
/// Where objects may be afterwards.
const COLLECTIONS: [&str; 5] = [
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/api/v1/services",
    "/api/v1/namespaces",
    "/apis/aiven.io/v1alpha1/valkeys",
];

/// The input is up to eight requests as HTTP writes them, without a version and without lengths.
pub(crate) fn run(input: &[u8]) {
    Kubernetes::serve(async |server| {
        for request in split(input).into_iter().take(MOST).filter_map(parse) {
            let dry =
                request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "dryRun=All"));
            let before = if dry { Some(everything(server).await) } else { None };
            let about = format!("{} {}", request.method(), request.uri());
            check(&about, server.ask(request).await);
            if let Some(before) = before {
                assert_eq!(before, everything(server).await, "{about} has changed something");
            }
        }
        everything(server).await;
    });
}

fn split(input: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), input);
    while let Some(at) = rest.windows(NEXT.len()).position(|window| window == NEXT) {
        parts.push(&rest[..at]);
        rest = &rest[at + NEXT.len()..];
    }
    parts.push(rest);
    parts
}

/// A request, if an HTTP server would see one in it.
fn parse(text: &[u8]) -> Option<Request<Body>> {
    let end = text.windows(2).position(|window| window == b"\n\n");
    let (head, body) = end.map_or((text, &[][..]), |end| (&text[..end], &text[end + 2..]));
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_vec())).ok()
}

fn check(about: &str, answer: Response<Body>) {
    let status = answer.status();
    let json = answer.headers().get("content-type").is_some_and(|kind| kind == "application/json");
    // A watch goes on; the first frames are enough.
    let mut frames = answer.into_body().into_data_stream();
    let mut body = Vec::new();
    while let Some(Some(Ok(frame))) = frames.next().now_or_never() {
        body.extend_from_slice(&frame);
    }
    if !json || body.is_empty() {
        return;
    }
    for document in serde_json::Deserializer::from_slice(&body).into_iter::<Value>() {
        let document = document.unwrap_or_else(|error| panic!("{about}: {error}"));
        // These two are the API server's own.
        let message = document["message"].as_str().unwrap_or_default();
        let expected = message.starts_with("failed to create typed patch object")
            || message.starts_with("Timeout: Too large resource version");
        assert!(!status.is_server_error() || expected, "{about}: {document}");
        if status.is_client_error() || status.is_server_error() {
            assert_eq!(document["kind"], "Status", "{about}: {document}");
            assert_eq!(document["status"], "Failure", "{about}: {document}");
            assert_eq!(document["code"], status.as_u16(), "{about}: {document}");
            assert!(document["message"].as_str().is_some_and(|why| !why.is_empty()), "{about}: {document}");
        }
    }
}

/// Everything stored, which is also readable one by one.
async fn everything(server: &Kubernetes) -> Vec<Value> {
    let mut all = Vec::new();
    for collection in COLLECTIONS {
        let list = read(server, collection).await.unwrap_or_else(|status| panic!("{collection}: {status}"));
        for item in list["items"].as_array().expect("a list has items") {
            let (namespace, name) = (&item["metadata"]["namespace"], &item["metadata"]["name"]);
            let name = name.as_str().expect("an object has a name");
            assert!(item["metadata"]["uid"].is_string(), "{item}");
            assert!(item["metadata"]["resourceVersion"].is_string(), "{item}");
            let path = match namespace.as_str() {
                Some(namespace) => {
                    let (base, plural) = collection.rsplit_once('/').expect("a path");
                    format!("{base}/namespaces/{namespace}/{plural}/{name}")
                }
                None => format!("{collection}/{name}"),
            };
            let mut read = read(server, &path).await.unwrap_or_else(|status| panic!("{path}: {status}"));
            // Items of a list do not repeat the fields of the list.
            for field in ["kind", "apiVersion"] {
                read.as_object_mut().expect("an object").remove(field);
            }
            let mut item = item.clone();
            for field in ["kind", "apiVersion"] {
                item.as_object_mut().expect("an object").remove(field);
            }
            assert_eq!(read, item, "{path}");
            all.push(item);
        }
    }
    all
}

async fn read(server: &Kubernetes, path: &str) -> Result<Value, StatusCode> {
    let answer = server.ask(Request::get(path).body(Body::empty()).expect("a path that is stored")).await;
    if answer.status() != StatusCode::OK {
        return Err(answer.status());
    }
    let body =
        tokio::time::timeout(Duration::from_mins(1), axum::body::to_bytes(answer.into_body(), usize::MAX));
    let body = body.await.expect("an answer ends").expect("in memory");
    Ok(serde_json::from_slice(&body).expect("JSON"))
}
