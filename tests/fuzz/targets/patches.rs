//! Patches of every type by several writers, against invariants for every content: a refusal changes nothing, a
//! repeated patch has no further effect, and a merge follows its standard.

use super::{draw::Draw, schemas, servers::Kubernetes};
use axum::body::{Body, to_bytes};
use http::Request;
use serde_json::{Map, Value, json};

const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

/// A kind of object, and what one of it holds at first.
struct Subject {
    path: &'static str,
    first: Value,
    /// The words from which patches are built.
    words: &'static [&'static str],
    builtin: bool,
}

/// The first byte chooses the kind of object; the remaining bytes make up to six patches.
pub(crate) fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let subject = subjects().swap_remove(draw.below(3));
    Kubernetes::serve(async |server| {
        let (parent, name) = subject.path.rsplit_once('/').expect("a path");
        let created = ask(server, "POST", parent, "application/json", &subject.first).await;
        assert_eq!((created.0, &created.1["metadata"]["name"]), (201, &json!(name)), "{}", created.1);
        for _ in 0..6 {
            if draw.is_used_up() {
                break;
            }
            patch(server, &subject, &mut draw).await;
        }
    });
}

/// The words of each kind, and of its patches.
const CONFIG_MAP: &[&str] = &[
    "data",
    "a",
    "b",
    "c/d",
    "~",
    "binaryData",
    "immutable",
    "metadata",
    "labels",
    "finalizers",
    "name",
    "0",
];
const SERVICE: &[&str] = &[
    "spec",
    "ports",
    "port",
    "name",
    "x",
    "selector",
    "a",
    "type",
    "metadata",
    "annotations",
    "$patch",
    "$retainKeys",
    "$setElementOrder/ports",
    "$deleteFromPrimitiveList/finalizers",
    "0",
    "-",
    "externalIPs",
];
const VALKEY: &[&str] = &[
    "spec",
    "plan",
    "project",
    "tags",
    "a",
    "userConfig",
    "ip_filter",
    "network",
    "valkey_timeout",
    "status",
    "conditions",
    "metadata",
    "finalizers",
    "0",
    "-",
    "technicalEmails",
    "email",
];

fn subjects() -> Vec<Subject> {
    let subject = |path, words, builtin, mut first: Value| {
        first["metadata"] = json!({"name": "it", "labels": {"a": "1"}});
        Subject { path, first, words, builtin }
    };
    let ports = json!([{"name": "x", "port": 1}, {"name": "y", "port": 2}]);
    let settings = json!({"ip_filter": [{"network": "::/0"}], "valkey_timeout": 1});
    let valkey = json!({"project": "p", "plan": "x", "tags": {"a": "1"}, "userConfig": settings});
    vec![
        subject(
            "/api/v1/namespaces/default/configmaps/it",
            CONFIG_MAP,
            true,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1", "b": "2"}}),
        ),
        subject(
            "/api/v1/namespaces/default/services/it",
            SERVICE,
            true,
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": ports}}),
        ),
        subject(
            "/apis/aiven.io/v1alpha1/namespaces/default/valkeys/it",
            VALKEY,
            false,
            json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "spec": valkey}),
        ),
    ]
}

/// An object for a patch, from the words of the subject.
fn content(draw: &mut Draw<'_>, words: &[&str], depth: usize) -> Value {
    match draw.below(if depth == 0 { 5 } else { 9 }) {
        0 => json!("1"),
        1 => Value::Null,
        2 => draw.below(4).into(),
        3 => (*draw.pick(words)).into(),
        4 => schemas::anything(draw, 1),
        5 => (0..draw.below(4)).map(|_| content(draw, words, depth - 1)).collect(),
        _ => object(draw, words, depth - 1).into(),
    }
}

fn object(draw: &mut Draw<'_>, words: &[&str], depth: usize) -> Map<String, Value> {
    (0..=draw.below(3)).map(|_| ((*draw.pick(words)).to_owned(), content(draw, words, depth))).collect()
}

async fn patch(server: &Kubernetes, subject: &Subject, draw: &mut Draw<'_>) {
    let kind = *draw.pick(&[APPLY, MERGE, STRATEGIC, JSON_PATCH]);
    let manager = *draw.pick(&["one", "other", "third"]);
    let force = draw.below(2) == 1 && kind == APPLY;
    let body = if kind == JSON_PATCH {
        (0..=draw.below(4)).map(|_| operation(draw, subject.words)).collect()
    } else {
        let mut reply = Value::Object(object(draw, subject.words, 4));
        if kind == APPLY {
            reply["apiVersion"] = subject.first["apiVersion"].clone();
            reply["kind"] = subject.first["kind"].clone();
        }
        reply
    };
    let (_, before) = ask(server, "GET", subject.path, "", &Value::Null).await;
    let path = format!("{}?fieldManager={manager}{}", subject.path, if force { "&force=true" } else { "" });
    let (status, reply) = ask(server, "PATCH", &path, kind, &body).await;
    let about = format!("{kind} by {manager}: {body} on {before}");
    let untyped =
        reply["message"].as_str().is_some_and(|why| why.starts_with("failed to create typed patch"));
    assert!(status < 500 || untyped, "{about}: {reply}");
    let (_, after) = ask(server, "GET", subject.path, "", &Value::Null).await;
    if status >= 400 {
        assert_eq!(before, after, "{about} is refused, and changes something: {reply}");
        assert!(reply["message"].is_string(), "{about}: {reply}");
        assert!(subject.builtin || kind != STRATEGIC || status == 415, "{about}: {reply}");
        return;
    }
    if after["kind"] == "Status" {
        // What was marked as deleted goes with its last finalizer.
        return;
    }
    assert_eq!(reply, after, "{about}");
    managers_are_whole(&after, &about);
    if kind == MERGE {
        merges(&before, &body, &after, &about);
    }
    if kind != JSON_PATCH {
        let (again, repeated) = ask(server, "PATCH", &path, kind, &body).await;
        let repeats = kind == APPLY || kind == MERGE && !body.to_string().contains("resourceVersion");
        if repeats {
            assert_eq!((again, &repeated), (200, &after), "{about}, said twice");
        }
    }
}

fn operation(draw: &mut Draw<'_>, words: &[&str]) -> Value {
    let pointer = |draw: &mut Draw<'_>| -> String {
        let word = |draw: &mut Draw<'_>| draw.pick(words).replace('~', "~0").replace('/', "~1");
        let parts: Vec<_> = (0..draw.below(5)).flat_map(|_| ["/".to_owned(), word(draw)]).collect();
        parts.concat()
    };
    let path = pointer(draw);
    match draw.below(6) {
        0 => json!({"op": "add", "path": path, "value": content(draw, words, 2)}),
        1 => json!({"op": "replace", "path": path, "value": content(draw, words, 2)}),
        2 => json!({"op": "remove", "path": path}),
        3 => json!({"op": "test", "path": path, "value": content(draw, words, 1)}),
        4 => json!({"op": "move", "path": path, "from": pointer(draw)}),
        _ => json!({"op": "copy", "path": path, "from": pointer(draw)}),
    }
}

/// Every manager has a name and owns something.
fn managers_are_whole(object: &Value, about: &str) {
    for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
        assert!(entry["manager"].as_str().is_some_and(|name| !name.is_empty()), "{about}: {entry}");
        assert!(["Apply", "Update"].iter().any(|known| entry["operation"] == *known), "{about}: {entry}");
        let owns = entry["fieldsV1"].as_object().is_some_and(|fields| !fields.is_empty());
        assert!(owns, "{about}: {entry}");
    }
}

/// Where the schema changes nothing, the outcome follows RFC 7386.
fn merges(before: &Value, body: &Value, after: &Value, about: &str) {
    let mut expected = before.clone();
    merge(&mut expected, body);
    for free in ["/data", "/metadata/labels", "/metadata/annotations", "/spec/tags"] {
        let compared = |object: &Value| match object.pointer(free) {
            // Nothing, and nothing in it, are the same to most readers.
            Some(Value::Object(entries)) if !entries.is_empty() => Some(Value::Object(entries.clone())),
            _ => None,
        };
        assert_eq!(compared(after), compared(&expected), "{free} after {about}");
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else { return target.clone_from(patch) };
    if !target.is_object() {
        *target = json!({});
    }
    let fields = target.as_object_mut().expect("an object");
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), change);
        }
    }
}

async fn ask(server: &Kubernetes, method: &str, path: &str, kind: &str, body: &Value) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path);
    let mut content = Vec::new();
    if !kind.is_empty() {
        request = request.header("content-type", kind);
        content = serde_json::to_vec(body).expect("JSON");
    }
    let answer = server.ask(request.body(Body::from(content)).expect("a request")).await;
    let status = answer.status().as_u16();
    let reply = to_bytes(answer.into_body(), usize::MAX).await.expect("in memory");
    (status, serde_json::from_slice(&reply).expect("JSON"))
}
