//! The lease as a Lease of the Kubernetes API: its holder is the instance's identity, its term the number of
//! transitions, its version the resource version.
//!
//! Guarantees: a write changes the holder, the term, the peers and the times, and nothing else of the object. Times are for
//! people; no decision reads them.

use super::{LeaseFuture, LeaseStore};
use k8s_openapi::{
    api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_failover::{
    Identity, Term,
    manager::LeaseAnswer,
    observer::LeaseReading,
    protocol::{Peers, format_peers, parse_peers},
};

/// The annotation that names the pods whose consent the holder may go on with.
const CONSENT_OF: &str = "valkeeper.io/consent-of";

/// The lease.
#[derive(Clone)]
pub struct KubernetesLease {
    api: Api<Lease>,
    name: String,
    duration: Duration,
}

impl KubernetesLease {
    /// The lease of this name.
    pub fn new(client: Client, namespace: &str, name: &str, duration: Duration) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), duration }
    }

    fn complain(&self, error: &kube::Error) -> LeaseAnswer {
        match error {
            kube::Error::Api(status) if status.code == 409 => LeaseAnswer::Conflict,
            error => {
                tracing::debug!(lease = self.name, %error, "cannot reach lease");
                LeaseAnswer::Unknown
            }
        }
    }
}

/// The change, on condition of the version.
fn change(version: u64, term: Term, holder: Option<&Identity>, peers: &Peers, duration: Duration) -> Value {
    let now = MicroTime(Timestamp::now());
    let peers = (!peers.is_empty()).then(|| format_peers(peers));
    json!({
        "metadata": {"resourceVersion": version.to_string(), "annotations": {CONSENT_OF: peers}},
        "spec": {
            "holderIdentity": holder.map(ToString::to_string),
            "leaseTransitions": i32::try_from(term.0).unwrap_or(i32::MAX),
            "leaseDurationSeconds": duration.as_secs().max(1),
            "renewTime": now,
        },
    })
}

/// What a lease says. A holder that is no instance counts as one that nobody knows.
pub fn reading(lease: &Lease) -> Option<LeaseReading> {
    let version = lease.metadata.resource_version.as_ref()?.parse().ok()?;
    let spec = lease.spec.as_ref();
    let term = spec.and_then(|spec| spec.lease_transitions).and_then(|term| u64::try_from(term).ok());
    let holder = spec.and_then(|spec| spec.holder_identity.as_ref()).filter(|holder| !holder.is_empty());
    let holder = holder.map(|holder| {
        holder.parse().unwrap_or_else(|_| Identity { name: holder.as_str().into(), pod: "".into(), boot: 0 })
    });
    let annotations = lease.metadata.annotations.as_ref();
    let peers = annotations.and_then(|annotations| annotations.get(CONSENT_OF));
    let peers = peers.map(|text| parse_peers(text)).unwrap_or_default();
    Some(LeaseReading { holder, term: Term(term.unwrap_or(0)), version, peers })
}

impl LeaseStore for KubernetesLease {
    fn read(&self) -> LeaseFuture<'_> {
        Box::pin(async move {
            match self.api.get(&self.name).await {
                Ok(lease) => match reading(&lease) {
                    Some(LeaseReading { holder, term, version, .. }) => {
                        LeaseAnswer::Read { holder, term, version }
                    }
                    None => LeaseAnswer::Unknown,
                },
                Err(error) => self.complain(&error),
            }
        })
    }

    fn write(&self, version: u64, term: Term, holder: Option<Identity>, peers: Peers) -> LeaseFuture<'_> {
        Box::pin(async move {
            let change = change(version, term, holder.as_ref(), &peers, self.duration);
            match self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(change)).await {
                Ok(lease) => match reading(&lease) {
                    Some(LeaseReading { version, .. }) => LeaseAnswer::Written { version },
                    None => LeaseAnswer::Unknown,
                },
                Err(error) => self.complain(&error),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_is_read_with_and_without_a_holder() {
        let lease = |spec: Value| -> Lease {
            serde_json::from_value(json!({"metadata": {"resourceVersion": "71"}, "spec": spec})).unwrap()
        };
        let held = lease(json!({"holderIdentity": "a/u/2", "leaseTransitions": 5}));
        let identity = Identity { name: "a".into(), pod: "u".into(), boot: 2 };
        let peers = Peers::new();
        let expected = LeaseReading { holder: Some(identity), term: Term(5), version: 71, peers };
        assert_eq!(reading(&held), Some(expected.clone()));
        let mut named = held;
        named.metadata.annotations = Some([(CONSENT_OF.to_owned(), "b/v".to_owned())].into());
        assert_eq!(reading(&named), Some(LeaseReading { peers: parse_peers("b/v"), ..expected }));
        let released = LeaseReading { holder: None, term: Term(0), version: 71, peers: Peers::new() };
        assert_eq!(reading(&lease(json!({"holderIdentity": ""}))), Some(released));
        let foreign = reading(&lease(json!({"holderIdentity": "somebody"}))).unwrap().holder.unwrap();
        assert_eq!(foreign.name, "somebody".into());
    }

    #[test]
    fn change_names_the_version_and_releases_by_removing_the_holder() {
        let released = change(71, Term(5), None, &Peers::new(), Duration::from_secs(15));
        assert_eq!(released["metadata"]["resourceVersion"], "71");
        assert_eq!(released["spec"]["holderIdentity"], Value::Null);
        assert_eq!(released["metadata"]["annotations"], json!({CONSENT_OF: null}));
        assert_eq!(released["spec"]["leaseTransitions"], 5);
    }
}
