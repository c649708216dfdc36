//! What `Debug` shows: nothing that must stay secret, in any type that holds a token, a password or an address with a
//! password in it. The first test fills them with texts that would be recognised; the second reads the sources, so that
//! a new type shows which holds such a text, or JSON that may, and has its `Debug` derived.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use base64::{Engine as _, prelude::BASE64_STANDARD};
use regex::Regex;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    fmt::{Debug, Write as _},
    fs,
    path::Path,
    time::Duration,
};
use valkeeper::{
    controller::observed_service,
    provider::{Address, Client, Limits, Service, Token},
    settings::Settings,
};
use valkeeper_api::{Redis, Valkey, sensitive::SensitiveString};
use valkeeper_engine::{
    self as engine, ConnectionSecret, Decision, Defaults, Desired, Observed, ObservedService, Remote, Step,
    connection,
};

/// In every secret of this page.
const CANARY: &str = "canary5f1d";

/// Panics if `value` shows the canary: as text, as numbers or as base64.
fn hides(what: &str, value: &impl Debug) {
    let bytes = CANARY.bytes().fold(String::new(), |mut all, byte| {
        write!(all, "{byte},").unwrap();
        all
    });
    let encoded = BASE64_STANDARD.encode(CANARY);
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        let text: String = text.split_whitespace().collect();
        for form in [CANARY, bytes.trim_end_matches(','), encoded.trim_end_matches('=')] {
            assert!(!text.contains(form), "{what} shows a secret: {text}");
        }
    }
}

/// A resource; `config` is its `userConfig`.
fn manifest(kind: &str, config: &Value, plan: &str) -> Value {
    json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": kind,
        "metadata": {
            "name": "cache", "namespace": "team", "uid": "u", "generation": 1,
            "finalizers": [valkeeper_api::names::FINALIZER],
        },
        "spec": {"project": "p", "plan": plan, "userConfig": config},
        "status": {"declaredValues": {"plan": "", "powered": "", "userConfig.migration": ""},
            "migration": {"source": "", "phase": "Started"}},
    })
}

fn migration(password: &str) -> Value {
    json!({"migration": {"host": "old.example.com", "port": 6379, "password": password}})
}

/// A service as the provider describes it, with all its credentials.
fn service(config: &Value) -> Value {
    let uri = format!("rediss://default:{CANARY}@h:1");
    json!({
        "service_name": "cache", "service_type": "valkey", "state": "RUNNING", "plan": "startup-4",
        "tags": {valkeeper_api::names::OWNER_TAG: "u"}, "user_config": config, "service_uri": uri,
        "service_uri_params": {
            "host": "h", "port": "1", "user": "default", "password": CANARY, "ssl": "required",
        },
        "connection_info": {"valkey": [uri], "valkey_password": CANARY},
        "users": [{"username": "default", "password": CANARY, "access_key": CANARY}],
        "components": [{"component": "valkey", "host": "h", "port": 1, "route": "dynamic", "usage": "primary"}],
    })
}

fn observed(found: Option<ObservedService>, secret: ConnectionSecret) -> Observed {
    Observed {
        remote: found.map_or(Remote::Absent, |service| Remote::Present(Box::new(service))),
        secret,
        object_is_live: true,
        token_is_held: true,
        ..Observed::default()
    }
}

#[test]
fn tokens_and_settings_show_no_secret() {
    let token = Token::parse(CANARY).unwrap();
    hides("a token", &token);
    hides("a refused token", &Token::parse(&format!("{CANARY}\n{CANARY}")));
    hides("settings", &Settings { default_token: Some(SecretString::from(CANARY)), ..Settings::default() });
    hides("a sensitive text", &SensitiveString::from(CANARY.to_owned()));
    for address in
        ["https://user:CANARY@h", "ftp://user:CANARY@h", "//user:CANARY@h", "user:CANARY@h", "h?t=CANARY"]
    {
        let refused = Address::parse(&address.replace("CANARY", CANARY), false).unwrap_err();
        hides("a refused address", &refused);
        assert!(!refused.to_string().contains(CANARY), "{refused}");
    }
    let limits = Limits {
        connect_timeout: Duration::from_secs(1),
        request_timeout: Duration::from_secs(1),
        response_bytes: 1,
        rate: 1,
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    hides("a client", &Client::new(Address::parse("http://127.0.0.1:1", false).unwrap(), limits).unwrap());
}

#[test]
fn resources_and_services_show_no_secret() {
    let config = migration(CANARY);
    let valkey: Valkey = serde_json::from_value(manifest("Valkey", &config, "startup-4")).unwrap();
    let redis: Redis = serde_json::from_value(manifest("Redis", &config, "startup-4")).unwrap();
    hides("a Valkey", &valkey);
    hides("a Redis", &redis);
    hides("a wish", &Desired::of(&valkey, Defaults::default()));
    hides("a wish for Redis", &Desired::of(&redis, Defaults::default()));
    let service: Service = serde_json::from_value(service(&config)).unwrap();
    hides("a service", &service);
    let seen = observed_service(service);
    hides("a service that was seen", &seen);
    hides("its connection", seen.connection.as_ref().unwrap());
    hides("a look", &observed(Some(seen), ConnectionSecret::Absent));
}

#[test]
fn decisions_show_no_secret() {
    let desired = |password: &str, plan: &str| {
        let manifest = manifest("Valkey", &migration(password), plan);
        Desired::of(&serde_json::from_value::<Valkey>(manifest).unwrap(), Defaults::default())
    };
    let seen = |config: &Value| observed_service(serde_json::from_value(service(config)).unwrap());
    let current = ConnectionSecret::Ours { current: true, immutable: false };
    let (own, other) =
        (migration(CANARY), json!({"migration": {"host": "x", "port": 1, "password": "other"}}));
    let mut steps = Vec::new();
    let mut search = |decision: Decision| {
        hides("a decision", &decision);
        steps.push(decision.step.name());
        decision
    };
    search(engine::decide(&desired(CANARY, "startup-4"), &observed(None, ConnectionSecret::Absent)));
    let update = search(engine::decide(
        &desired(CANARY, "business-4"),
        &observed(Some(seen(&other)), current.clone()),
    ));
    search(engine::decide(&desired("new", "business-4"), &observed(Some(seen(&own)), current)));
    let absent = observed(Some(seen(&own)), ConnectionSecret::Absent);
    search(engine::decide(&desired(CANARY, "startup-4"), &absent));
    let Step::Update(patch) = update.step else { panic!("not an update: {update:?}") };
    assert!(serde_json::to_string(&patch).unwrap().contains(CANARY), "it holds a password");
    hides("a look after an update", &Observed { sent: Some(*patch), ..Observed::default() });
    assert_eq!(steps, ["create", "update", "update", "write secret"]);

    let target = desired(CANARY, "startup-4").secret.unwrap();
    hides("the content of a Secret", &connection::content(&target, &seen(&own).connection.unwrap()));
}

/// Fields that appear to hold a secret, and why they do not.
const HARMLESS: [(&str, &str, &str); 21] = [
    ("Connection", "namespace_token_secret", "the name of a Secret"),
    ("Connection", "namespace_token_key", "the name of a key"),
    ("Import", "token_secret", "the name of a Secret"),
    ("Import", "token_key", "the name of a key"),
    ("DesiredVpc", "token_secret", "the name of a Secret"),
    ("DesiredServiceUser", "token_secret", "the name of a Secret"),
    ("DesiredServiceUser", "password", "the names of a Secret and a key"),
    ("PasswordSource", "password_key", "the name of a key"),
    ("ObservedServiceUser", "password_refused", "a message of the provider, without secrets"),
    ("Settings", "namespace_token_secret", "the name of a Secret"),
    ("Settings", "namespace_token_key", "the name of a key"),
    ("S3Destination", "credentials_secret_name", "the name of a Secret"),
    ("GcsDestination", "credentials_secret_name", "the name of a Secret"),
    ("AzureDestination", "credentials_secret_name", "the name of a Secret"),
    ("BackupEncryption", "secret_name", "the name of a Secret"),
    ("ClusterTls", "secret_name", "the name of a Secret"),
    ("BootstrapServerTls", "certificate_secret_name", "the name of a Secret"),
    ("Clients", "sentinel_password", "whether one is required"),
    ("Predecessor", "secret", "the name of a Secret and the prefix of its keys"),
    ("Sourced", "secret", "the name of a Secret"),
    ("ReconcileError", "secret", "the name of a Secret"),
];

#[test]
fn a_type_with_a_secret_in_plain_text_writes_its_debug_by_hand() {
    let mut found = Vec::new();
    let crates = ["api", "backup", "engine", "instance", "server"].map(|name| format!("crates/{name}/src"));
    for folder in crates.into_iter().chain(["src".to_owned()]) {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    assert!(found.len() > 50, "the sources are not read as they are written: {} types", found.len());
    let mut wrong = plain(&found);
    for (of, known, why) in HARMLESS {
        let place = wrong.iter().position(|(name, field, _)| name == of && field == known);
        wrong.remove(place.unwrap_or_else(|| panic!("{of}.{known} ({why}) is not there any more")));
    }
    assert!(wrong.is_empty(), "use a type that hides its value, or write `Debug` by hand: {wrong:#?}");
}

#[test]
fn a_secret_in_plain_text_would_be_noticed_in_any_form() {
    for source in [
        "#[derive(Clone, Debug)]\npub struct A {\n    /// It.\n    pub password: Option<String>,\n}\n",
        "#[derive(Debug)]\n#[serde(untagged)]\nenum A {\n    B { api_token: String },\n}\n",
        "#[derive(Debug)]\npub(super) struct Token(String);\n",
        "#[derive(Debug)]\nstruct A {\n    service_uri: Box<str>,\n}\n",
        "#[derive(Debug)]\nstruct A {\n    settings: Map<String, Value>,\n}\n",
    ] {
        let mut found = Vec::new();
        fields(source, &mut found);
        assert_eq!(plain(&found).len(), 1, "{source}");
    }
}

/// The fields that have a secret, or anything at all, in plain text.
fn plain(found: &[(String, String, String)]) -> Vec<(String, String, String)> {
    let named = Regex::new("(?i)password|token|secret|credential|uri|bearer|authorization").unwrap();
    let text = Regex::new(r"\b(String|str|u8)\b").unwrap();
    let anything = Regex::new(r"\b(Value|HeaderValue)\b").unwrap();
    let shows = |(_, field, kind): &&(String, String, String)| {
        named.is_match(field) && text.is_match(kind) || anything.is_match(kind)
    };
    found.iter().filter(shows).cloned().collect()
}

/// Type, field and type of the field, of every type whose `Debug` is derived.
fn read(folder: &Path, found: &mut Vec<(String, String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            read(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            fields(&fs::read_to_string(path).unwrap(), found);
        }
    }
}

fn fields(source: &str, found: &mut Vec<(String, String, String)>) {
    let begin = Regex::new(r"(?m)^\s*(?:pub(?:\([^)]*\))? )?(?:struct|enum) (\w+)[^;{(]*([{(])").unwrap();
    let field = Regex::new(r"(\w+): +([^/]+?)(?:,\s*$|,? \}|$)").unwrap();
    for derived in Regex::new(r"#\[derive\([^)]*\bDebug\b[^)]*\)\]").unwrap().find_iter(source) {
        let Some(parts) = begin.captures(&source[derived.end()..]) else { continue };
        let after = &source[derived.end() + parts.get(0).unwrap().end()..];
        if &parts[2] == "(" {
            // For a field without a name, the name of the type describes it.
            let kind = after.split(");").next().unwrap_or_default();
            found.push((parts[1].to_owned(), parts[1].to_owned(), kind.to_owned()));
            continue;
        }
        // The closing brace stands where the type begins.
        let body = after.lines().skip(1).take_while(|line| *line != "}" && *line != "    }");
        for line in body.filter(|line| !line.trim_start().starts_with("//")) {
            for parts_of_field in field.captures_iter(line) {
                found.push((parts[1].to_owned(), parts_of_field[1].to_owned(), parts_of_field[2].to_owned()));
            }
        }
    }
}
