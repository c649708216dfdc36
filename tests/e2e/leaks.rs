//! Secrets that appear where they must not. Tokens of the tests contain a word that is new in each run. Everything
//! that the operator logs at debug level is kept. The end of each scenario searches for that word and for the
//! passwords of the provider, plain and as base64. It searches the log, everything the operator served, and
//! everything it wrote into the cluster besides Secrets.

use crate::world::{PROJECT, World};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use k8s_openapi::api::{coordination::v1::Lease, events::v1::Event};
use kube::{Api, api::ListParams};
use serde_json::json;
use std::{
    io::{self, Write},
    process::Command,
    sync::{LazyLock, Mutex, Once, PoisonError},
};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

crate::scenarios![what_is_planted_anywhere_is_found];

/// What the operator logged so far.
static LOG: Mutex<String> = Mutex::new(String::new());
/// In every token.
static CANARY: LazyLock<String> = LazyLock::new(|| format!("canary{:016x}", rand::random::<u64>()));
/// The beginning of every password that the provider generates.
const GENERATED: &str = "AVNS_";

/// Where something was found, and the text there.
pub(crate) type Place = (&'static str, String);

/// A text that must not appear anywhere.
pub(crate) fn confidential(label: &str) -> String {
    format!("{label}-{}", *CANARY)
}

/// Whether a text would be found.
pub(crate) fn is_confidential(text: &str) -> bool {
    text.contains(CANARY.as_str()) || text.starts_with(GENERATED)
}

/// Keeps what is written, and shows it where `E2E_LOG` is set.
struct Kept;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(bytes));
        if std::env::var_os("E2E_LOG").is_some() {
            io::stderr().write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts to keep the log; `E2E_LOG` may include more than the operator's own lines.
pub(crate) fn keep_log() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let more = std::env::var("E2E_LOG").unwrap_or_else(|_| "debug".to_owned());
        let filter = EnvFilter::new(format!("warn,kube_client=off,valkeeper={more},valkeeper=debug"));
        let lines = fmt::layer().with_writer(|| Kept).with_ansi(false);
        let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    });
}

/// Whether the operator has logged `text`.
pub(crate) fn logged(text: &str) -> bool {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).contains(text)
}

/// How many lines the operator has logged that contain all of `texts`.
pub(crate) fn lines_with(texts: &[&str]) -> usize {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.lines().filter(|line| texts.iter().all(|text| line.contains(text))).count()
}

/// How much the operator has logged so far.
pub(crate) fn log_length() -> usize {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// What no text of this world may hold.
pub(crate) fn canaries(world: &World) -> Vec<String> {
    let services = world.provider.services(PROJECT);
    let passwords = services.iter().filter_map(|service| service["service_uri_params"]["password"].as_str());
    let passwords = passwords.filter(|password| !password.is_empty()).map(str::to_owned);
    passwords.chain([CANARY.clone()]).collect()
}

/// Panics if a secret of this world is where it must not be; `served` is what the operator served.
pub(crate) async fn search(world: &World, served: Vec<Place>) {
    let canaries = canaries(world);
    let canaries: Vec<_> = canaries.iter().map(String::as_str).collect();
    let mut places = places(world).await;
    places.extend(served);
    let found = leak(&places, &canaries);
    assert!(found.is_none(), "a secret is in {}", found.unwrap_or_default());
}

/// The first place with one of the texts in it, and what comes before.
fn leak(places: &[Place], canaries: &[&str]) -> Option<String> {
    let mut wanted: Vec<String> = canaries.iter().flat_map(|canary| forms(canary)).collect();
    wanted.push(GENERATED.to_owned());
    places.iter().find_map(|(place, text)| {
        let at = wanted.iter().find_map(|wanted| text.find(wanted.as_str()))?;
        let start = (0..=at.saturating_sub(120)).rev().find(|index| text.is_char_boundary(*index));
        Some(format!("{place}, after: {}", &text[start.unwrap_or(0)..at]))
    })
}

/// A text as it is, and the parts of its base64 that do not depend on what is around it.
fn forms(text: &str) -> Vec<String> {
    let encoded = |shift: usize| {
        let whole = BASE64_STANDARD.encode(format!("{}{text}", "-".repeat(shift)));
        whole[4 * shift.min(1)..whole.len() - 4].to_owned()
    };
    (0..3).map(encoded).chain([text.to_owned()]).collect()
}

async fn places(world: &World) -> Vec<Place> {
    let all = ListParams::default();
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.lease_namespace());
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner)[world.log_begins..].to_owned();
    let mut places = vec![("the log", log)];
    // A scenario may have made the definitions lax, and its objects undecodable.
    if let Ok(events) = events.list(&all).await {
        places.push(("an event", serde_json::to_string(&events.items).unwrap()));
    }
    if let Ok(leases) = leases.list(&all).await {
        places.push(("a lease", serde_json::to_string(&leases.items).unwrap()));
    }
    if let Ok(list) = world.valkeys().list(&all).await {
        places.push(("a Valkey", serde_json::to_string(&list.items).unwrap()));
    }
    if let Ok(list) = world.redis().list(&all).await {
        places.push(("a Redis", serde_json::to_string(&list.items).unwrap()));
    }
    if let Ok(list) = world.vpcs().list(&all).await {
        places.push(("a ProjectVPC", serde_json::to_string(&list.items).unwrap()));
    }
    places
}

async fn what_is_planted_anywhere_is_found(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let served = world.served().await;
    let mut places = places(&world).await;
    // The search covers all of it.
    for (place, part) in [
        ("the log", "resource=\"cache\""),
        ("an event", "Creating service cache"),
        ("a Valkey", "Running"),
        ("a Redis", "[]"),
        ("a ProjectVPC", "[]"),
        ("a lease", "["),
        ("the metrics", "valkeeper_resources{kind=\"Valkey\",ready=\"True\",reason=\"Running\"} 1"),
        ("the probe of life", "ok"),
        ("the probe of readiness", "ok"),
    ] {
        let (_, text) = places.iter().chain(&served).find(|(name, _)| *name == place).unwrap();
        assert!(text.contains(part), "{part} in {place}: {text}");
    }
    places.extend(served);
    let planted = format!("planted{:016x}", rand::random::<u64>());
    assert_eq!(leak(&places, &[&planted]), None);
    let data = |text: &str| format!("token: {}", BASE64_STANDARD.encode(text));
    for form in
        [planted.clone(), data(&planted), data(&format!("x{planted}y")), data(&format!("xx{planted}"))]
    {
        for at in 0..places.len() {
            let mut with_one = places.clone();
            with_one[at].1 += &form;
            let found = leak(&with_one, &[&planted]).expect("it is found");
            assert!(found.starts_with(places[at].0), "{found}");
        }
    }
    let password = world.secret("cache").await["VALKEY_PASSWORD"].clone();
    assert!(leak(&[("a text", password)], &[]).is_some(), "any password of the provider is found");
    world
}

/// The output of an operator that cannot start, or has no connection, with all secrets configured.
#[test]
fn an_operator_that_cannot_work_names_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let token = confidential("start-token");
    let file = write("token", &token);
    // The port of a closed socket has no listener.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "u", "user": {"token": &token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let kubeconfig = write("config", &kubeconfig.to_string());
    for (metrics, more, expected) in [
        ("127.0.0.1:0", vec!["--provider-url=not a url"], "provider"),
        ("127.0.0.1:0", vec!["--provider-url=http://192.0.2.1"], "http"),
        ("nowhere", vec![], "cannot listen"),
        ("127.0.0.1:0", vec!["--concurrency=many"], "concurrency"),
        ("127.0.0.1:0", vec!["--default-token-file", &file], "cannot be used with"),
        ("127.0.0.1:0", vec!["--leader-elect=true", "--leader-elect-resource-namespace=x"], "lease"),
    ] {
        let mut command = Command::new("timeout");
        command.args(["--signal=TERM", "5", env!("CARGO_BIN_EXE_valkeeper"), "run", "--log-level=debug"]);
        command.args(["--metrics-bind-address", metrics, "--health-probe-bind-address=127.0.0.1:0"]);
        command.args(["--kubeconfig", &kubeconfig]).args(&more).env("DEFAULT_AIVEN_TOKEN", &token);
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.to_lowercase().contains(expected), "{expected} in the answer to {more:?}: {text}");
        assert_eq!(leak(&[("what it said", text)], &[CANARY.as_str()]), None);
    }
}
