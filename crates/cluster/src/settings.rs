//! The settings of the instances, one file for all of them; what differs between pods are variables.

use crate::desired::Desired;
use crate::durability;
use crate::lease_mode;
use crate::names;
use crate::observed::Observed;
use crate::parameters;
use crate::resize;
use crate::restore;
use fnv::FnvHasher;
use serde_json::{Value, json};
use std::hash::Hasher as _;
use valkeeper_api::valkey_cluster::{ClusterTls, mebibytes};

/// Share of the memory for data, in percent; with persistence a save needs memory as well.
const PERCENT: i32 = 75;
const PERCENT_WITH_PERSISTENCE: i32 = 60;
/// The whole end of an instance may take so long, which is less than the grace period of its pod.
pub(crate) const END_MILLISECONDS: u32 = 55_000;
/// The grace period of a pod.
pub(crate) const GRACE_SECONDS: u32 = 60;

/// A replica that has not answered for so long does not count for writes; one answers every second.
const MAX_LAG_SECONDS: u32 = 10;

/// Bytes of an amount such as `2Gi`.
pub fn bytes(amount: &str) -> u64 {
    mebibytes(amount).unwrap_or_default() * 1024 * 1024
}

/// The memory of a server, the share of its data in percent, and that share in bytes.
pub fn max_memory(desired: &Desired) -> (u64, i32, u64) {
    let limit = bytes(&desired.spec.resources.memory);
    let percent = percent(desired);
    (limit, percent, share(limit, percent))
}

fn percent(desired: &Desired) -> i32 {
    let usual = if desired.spec.persists() { PERCENT_WITH_PERSISTENCE } else { PERCENT };
    desired.spec.memory.as_ref().and_then(|memory| memory.max_memory_percent).unwrap_or(usual)
}

fn share(bytes: u64, percent: i32) -> u64 {
    bytes / 100 * u64::try_from(percent).unwrap_or_default()
}

/// A short text that changes with another.
pub fn digest(text: &str) -> String {
    let mut hasher = FnvHasher::default();
    hasher.write(text.as_bytes());
    format!("{:016x}", hasher.finish())
}

/// The settings without their revision, of servers that have so many bytes of memory each.
fn content(desired: &Desired, alone: bool, memory: u64) -> Value {
    let spec = &desired.spec;
    let max_memory = share(memory, percent(desired));
    let policy = spec.memory.as_ref().map_or("noeviction", |memory| &memory.policy);
    let mut directives = spec.config.clone().unwrap_or_default();
    directives.insert("maxmemory-policy".to_owned(), policy.to_owned());
    let lease = if alone {
        json!("alone")
    } else {
        json!({"kubernetes": {"namespace": desired.namespace, "name": desired.name}})
    };
    let mode = spec.persistence.as_ref().map_or("None", |persistence| &persistence.mode);
    let after = desired.failover_after().as_millis();
    let mut content = json!({
        "dataDir": "$(DATA_DIR)",
        "runtimeDir": "$(RUN_DIR)",
        "server": {
            "program": desired.program(),
            "host": "$(POD_IP)",
            "port": names::SERVER_PORT,
            "accessFile": "$(ACCESS_FILE)",
            "persistence": mode,
            "maxMemory": max_memory,
            "directives": directives,
        },
        "control": {
            "address": format!("0.0.0.0:{}", names::CONTROL_PORT),
            "tls": {
                "certificate": "$(TLS_DIR)/tls.crt",
                "key": "$(TLS_DIR)/tls.key",
                "authority": "$(TLS_DIR)/ca.crt",
            },
        },
        "health": format!("0.0.0.0:{}", names::HEALTH_PORT),
        "lease": lease,
        "intervals": {"gracePeriod": END_MILLISECONDS, "serverTimeout": after.clamp(1_000, 60_000)},
    });
    if let Some(count) = durability::replicas_to_write(desired) {
        content["server"]["minReplicas"] = json!({"count": count, "maxLag": MAX_LAG_SECONDS});
    }
    if let Some(tls) = &desired.spec.tls {
        content["server"]["tls"] = server_tls(desired, tls);
    }
    if desired.serves_sentinel_clients() {
        content["sentinel"] = json!({
            "address": format!("0.0.0.0:{}", names::SENTINEL_PORT),
            "name": desired.primary_name(),
            "instances": desired.instances(),
            "password": spec.clients.as_ref().map_or("Required", |clients| &clients.sentinel_password),
        });
    }
    if desired.continues_without_api() && !alone {
        // The certificate of the servers is for every name of this form.
        let host = names::host("peer", &desired.name, &desired.namespace);
        content["peers"] = json!({"host": host, "port": names::CONTROL_PORT});
    }
    if restore::is_due(desired) {
        content["restore"] = desired.instance(0).into();
    }
    content
}

/// What the servers show to clients and to each other.
fn server_tls(desired: &Desired, tls: &ClusterTls) -> Value {
    let file = |name: &str| format!("$({})/{name}", names::SERVER_TLS_DIR);
    json!({
        "certificate": file("tls.crt"),
        "key": file("tls.key"),
        "authority": file("ca.crt"),
        "revision": file("revision"),
        "expires": file("expires"),
        "port": names::TLS_PORT,
        "plaintext": tls.plaintext,
        "clientAuth": tls.client_auth,
        "name": parameters::dns_name(desired, &names::leader(&desired.name)),
    })
}

/// The revision of the settings and their text.
pub(crate) fn settings(desired: &Desired, observed: &Observed) -> (String, String) {
    let memory = resize::usable_memory(desired, observed);
    let mut content = content(desired, lease_mode::is_alone(desired, observed), memory);
    let revision = digest(&content.to_string());
    content["revision"] = revision.clone().into();
    let text = serde_json::to_string_pretty(&content).unwrap_or_default() + "\n";
    (revision, text)
}
