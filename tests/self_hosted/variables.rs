//! What the variables of the matrix ask for: its cluster, and how clients find the primary.

use crate::world::World;
use serde_json::{Value, json};
use valkeeper_testbed::history::Leader;

/// Whether a variable is `1`.
fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value == "1")
}

/// How clients find the primary, as the variable says.
pub(crate) async fn leader(world: &World) -> Leader {
    if !is_set("VALKEEPER_SENTINEL") {
        return Leader::fixed(world.leader("trio").await);
    }
    // The client verifies the host that it connects to. Addresses of pods are in no certificate.
    assert!(!is_set("VALKEEPER_TLS"), "clients of Sentinel run without TLS here");
    Leader::Sentinel(world.sentinel("trio").await)
}

/// Of a cluster that is made as the variables say.
pub(crate) fn spec() -> Value {
    let mut spec = json!({"persistence": {"mode": "AppendOnly", "size": "1Gi"}});
    for (variable, field, value) in
        [("VALKEEPER_TLS", "tls", json!({})), ("VALKEEPER_SENTINEL", "clients", json!({"sentinel": true}))]
    {
        if is_set(variable) {
            spec[field] = value;
        }
    }
    if let Ok(durability) = std::env::var("VALKEEPER_DURABILITY") {
        spec["durability"] = durability.into();
    }
    if let Ok(outage) = std::env::var("VALKEEPER_API_OUTAGE") {
        spec["failover"] = json!({"apiServerOutage": outage});
    }
    spec
}
