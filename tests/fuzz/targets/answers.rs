//! Answers of the provider: read or refused, never a panic, never more content passed on than requested, and nothing
//! secret in any error or `Debug`.

use super::{
    draw::Draw,
    servers::{ANSWER_LIMIT, Answer, Puppet, wait},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Debug};
use valkeeper::{
    controller::observed_service,
    provider::{Found, ProviderError, Reference, Service, Token},
};
use valkeeper_api::{Valkey, names};
use valkeeper_engine::{ConnectionSecret, Defaults, Desired, Observed, Remote, Source, Step, decide};

/// The token of every call.
const TOKEN: &str = "canary+token/7f3a==";
/// The password in every request that has a body.
const PASSWORD: &str = "canary \"9c1e\"\\ {ü}  end";
/// What the provider generated.
const GENERATED: &str = "AVNS_canary-generated_1";
/// The longest text of the provider that is passed on: 512 characters, cut with another.
const LONGEST: usize = 513;

const STATUS: [u16; 24] = [
    200, 201, 204, 400, 401, 403, 404, 408, 409, 410, 417, 418, 422, 429, 500, 501, 502, 503, 504, 599, 299,
    300, 304, 451,
];
const RETRY: [&str; 9] = [
    "",
    "0",
    "30",
    " 7 ",
    "-1",
    "1.5",
    "18446744073709551615",
    "99999999999999999999",
    "Fri, 01 Jan 2027 00:00:00 GMT",
];

/// Five bytes choose call, status, and headers; the rest is the body, in which `{token}`, `{password}` and
/// `{generated}` stand for the secrets, also as encoded in JSON and in a URL.
pub(crate) fn run(input: &[u8]) {
    let (head, body) = input.split_at(input.len().min(5));
    let mut draw = Draw::new(head);
    let call = draw.below(9);
    let status = *draw.pick(&STATUS);
    let mut headers = vec![("content-type", (*draw.pick(&["application/json", "text/html"])).to_owned())];
    let retry = *draw.pick(&RETRY);
    if !retry.is_empty() {
        headers.push(("retry-after", retry.to_owned()));
    }
    if draw.seldom(4) {
        headers.push(("content-encoding", "gzip".to_owned()));
    }
    // A server sends no body with these.
    let body = if [204, 304].contains(&status) { Vec::new() } else { with_secrets(body) };
    let puppet = Puppet::get();
    puppet.answers(Answer { status, headers, body: body.clone() });
    wait(ask(&puppet, call));
    if let Ok(service) = serde_json::from_slice::<Service>(&body) {
        follow(service);
    }
}

/// The secret as it is, as encoded in JSON, and in a URL.
fn forms(secret: &str) -> [String; 3] {
    let quoted = serde_json::to_string(secret).unwrap();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = secret
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    [secret.to_owned(), quoted[1..quoted.len() - 1].to_owned(), encoded.collect()]
}

fn with_secrets(body: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(body) else { return body.to_vec() };
    let mut text = text.to_owned();
    for (name, secret) in [("token", TOKEN), ("password", PASSWORD), ("generated", GENERATED)] {
        for (mark, form) in ["", "json:", "url:"].iter().zip(forms(secret)) {
            text = text.replace(&format!("{{{mark}{name}}}"), &form);
        }
    }
    text.into_bytes()
}

async fn ask(puppet: &Puppet, call: usize) {
    let (client, token) = (&puppet.client, Token::parse(TOKEN).unwrap());
    let cache = Reference { project: "project".to_owned(), service: "cache".to_owned() };
    let body = || json!({"plan": "startup-4", "user_config": {"migration": {"password": PASSWORD}}});
    match call {
        0 => service(&client.service(&token, &cache).await.map(found)),
        1 => service(&client.create(&token, &cache, body()).await.map(Some)),
        2 => service(&client.update(&token, &cache, body()).await.map(Some)),
        3 => check(&client.delete(&token, &cache).await),
        4 => check(&client.patch_tags(&token, &cache, &BTreeMap::new()).await),
        5 => check(&client.migration(&token, &cache).await.map(drop)),
        6 => check(&client.vpcs(&token, "project").await.map(drop)),
        7 => check(&client.create_vpc(&token, "project", "cloud", "10.0.0.0/24").await.map(drop)),
        _ => check(&client.delete_vpc(&token, "project", "id").await),
    }
}

fn found(found: Found) -> Option<Service> {
    match found {
        Found::Service(service) => Some(*service),
        Found::Absent(_) => None,
    }
}

fn service(answer: &Result<Option<Service>, ProviderError>) {
    if let Ok(Some(service)) = answer {
        follow(service.clone());
    }
    check(answer);
}

fn check<T: Debug>(answer: &Result<T, ProviderError>) {
    let Err(error) = answer else { return is_clean(&format!("{answer:?}"), &[TOKEN]) };
    let passed_on = error.answer();
    assert!(passed_on.chars().count() <= LONGEST.max(ANSWER_LIMIT / 256), "too long: {passed_on}");
    assert!(!passed_on.contains(['\n', '\r']), "more than a line: {passed_on:?}");
    assert!(!passed_on.is_empty(), "an error without an explanation: {error:?}");
    let _ = error.class();
    // A password can be distinguished from other words only where it was sent.
    let sent: &[&str] =
        if ["creating s", "updating s"].iter().any(|doing| error.to_string().starts_with(doing)) {
            &[TOKEN, PASSWORD]
        } else {
            &[TOKEN]
        };
    is_clean(&format!("{error} {error:?} {error:#?}"), sent);
}

fn is_clean(text: &str, secrets: &[&str]) {
    for secret in secrets {
        for form in forms(secret) {
            assert!(!text.contains(&form), "{form} shows in {text}");
        }
    }
    assert!(!text.contains(GENERATED), "{GENERATED} shows in {text}");
}

/// Every answer of the provider about a service leads to a decision that follows from the observation.
fn follow(service: Service) {
    // The operator reports these parts; the remaining ones are settings and credentials.
    let output = format!(
        "{} {} {} {} {:?} {:?}",
        service.service_name,
        service.service_type,
        service.state,
        service.plan,
        service.tags,
        service.maintenance
    );
    let secrets = if output.contains("canary") { None } else { Some([TOKEN, PASSWORD]) };
    let is_clean = |text: &str| secrets.iter().for_each(|secrets| is_clean(text, secrets));
    is_clean(&format!("{service:?}"));
    let seen = observed_service(service);
    for deleting in [false, true] {
        let observed = Observed {
            remote: Remote::Present(Box::new(seen.clone())),
            secret: ConnectionSecret::Absent,
            source: Source::Ready,
            object_is_live: true,
            token_is_held: true,
            ..Observed::default()
        };
        let decision = decide(&desired(deleting), &observed);
        let named = seen.tags.get(names::OWNER_TAG).is_some_and(|owner| owner == UID);
        match &decision.step {
            Step::Update(_) | Step::Delete | Step::WriteSecret(_) => {
                assert!(named && seen.service_type == "valkey", "{:?}", decision.step);
            }
            Step::Create(_) => panic!("created although it exists"),
            _ => {}
        }
        is_clean(&format!("{decision:?}"));
    }
}

const UID: &str = "uid-1";

fn desired(deleting: bool) -> Desired {
    let mut object: Value = json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
        "metadata": {"name": "cache", "uid": UID, "generation": 1, "finalizers": [names::FINALIZER]},
        "spec": {"project": "project", "plan": "startup-4", "tags": {"env": "test"}, "disk_space": "90GiB",
            "userConfig": {"ip_filter": [{"network": "10.0.0.0/8"}], "valkey_timeout": 7}},
    });
    if deleting {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }
    Desired::of(&serde_json::from_value::<Valkey>(object).unwrap(), Defaults::default())
}
