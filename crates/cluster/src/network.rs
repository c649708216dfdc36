//! The network policy of a cluster: who may open which port of its pods. Where the network does not enforce policies, it
//! changes nothing.
//!
//! Guarantees: the servers reach each other, the operator reaches them, and probes and metrics are answered, whoever else
//! is let in.

use crate::desired::Desired;
use crate::names;
use serde_json::{Value, json};

/// The policy, where the spec asks for one.
pub(crate) fn policy(desired: &Desired) -> Option<Value> {
    let allowed = desired.spec.clients.as_ref()?.allow_from.as_ref()?;
    let pods = json!({"matchLabels": {names::CLUSTER: desired.name}});
    let port = |port: u16| json!({"port": port, "protocol": "TCP"});
    let plain = desired.serves_plaintext().then(|| port(names::SERVER_PORT));
    let secured = desired.spec.tls.is_some().then(|| port(names::TLS_PORT));
    let servers: Vec<Value> = plain.into_iter().chain(secured.clone()).collect();
    let sentinel = port(names::SENTINEL_PORT);
    // Pods from before TLS have only the port without.
    let among = [port(names::SERVER_PORT)].into_iter().chain(secured).chain([sentinel.clone()]);
    let among: Vec<Value> = among.collect();
    let mut ingress = vec![
        json!({"from": [{"podSelector": pods}], "ports": among}),
        // Mutual TLS admits verbs of the operator only; every client may read the term with `Continue`. The kubelet probes
        // from its node, which is no pod.
        json!({"ports": [port(names::CONTROL_PORT), port(names::HEALTH_PORT)]}),
    ];
    // A rule without peers would let in everybody.
    if !allowed.is_empty() {
        let mut ports = servers;
        ports.extend(desired.serves_sentinel_clients().then_some(sentinel));
        ingress.insert(0, json!({"from": allowed, "ports": ports}));
    }
    Some(json!({"spec": {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": ingress}}))
}
