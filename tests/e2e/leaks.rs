//! Secrets that turn up where they must not. Everything that the operator logs at debug level, in all
//! scenarios of the process, is kept; at the end of each scenario the log and everything the operator
//! wrote into the cluster besides Secrets is searched for the token and for generated passwords.

use crate::world::{PROJECT, TOKEN, World};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use std::{
    io::{self, Write},
    sync::{Mutex, Once, PoisonError},
};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// What the operator logged so far.
static LOG: Mutex<String> = Mutex::new(String::new());
/// The beginning of every password that the provider generates.
const GENERATED: &str = "AVNS_";

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

/// Starts to keep the log; `E2E_LOG` may ask for more than the operator's own lines.
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

/// Panics if a secret of this world is where it must not be.
pub(crate) async fn search(world: &World) {
    let services = world.provider.services(PROJECT);
    let passwords = services.iter().filter_map(|service| service["service_uri_params"]["password"].as_str());
    let mut canaries: Vec<&str> = passwords.filter(|password| !password.is_empty()).collect();
    canaries.extend([TOKEN, GENERATED]);
    for (place, text) in places(world).await {
        for canary in &canaries {
            let found = text.find(canary).map(|at| {
                let start = (0..=at.saturating_sub(120)).rev().find(|index| text.is_char_boundary(*index));
                &text[start.unwrap_or(0)..at]
            });
            assert!(found.is_none(), "a secret is in {place}, after: {}", found.unwrap_or_default());
        }
    }
}

async fn places(world: &World) -> Vec<(&'static str, String)> {
    let all = ListParams::default();
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let mut places = vec![("the log", LOG.lock().unwrap_or_else(PoisonError::into_inner).clone())];
    // A scenario may have made the definitions lax, and its objects undecodable.
    if let Ok(events) = events.list(&all).await {
        places.push(("an event", serde_json::to_string(&events.items).unwrap()));
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
