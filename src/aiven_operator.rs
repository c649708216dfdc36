//! What remains of the operator this one replaces: variables of its environment that mean nothing here,
//! and a process of it that still runs.

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The lease that its leader holds.
pub const LEASE: &str = "40db2fac.aiven.io";
/// Interval of checks whether aiven-operator runs, and of the reports.
const INTERVAL: Duration = Duration::from_mins(1);
/// A lease that was not renewed for this many of its durations has no holder anymore.
const STALE_AFTER: i64 = 2;

/// Its variables that this operator does not read, and what to do instead.
const VARIABLES: [(&str, &str); 8] = [
    ("ENABLE_WEBHOOKS", "there are no webhooks here; the resource definitions hold the rules"),
    ("AIVEN_TOKEN", "it is not a token for resources; use DEFAULT_AIVEN_TOKEN or DEFAULT_AIVEN_TOKEN_FILE"),
    ("AIVEN_CA_CERT", "add the certificate to the system's, or name a file of certificates in SSL_CERT_FILE"),
    ("AIVEN_DEBUG", "use LOG_LEVEL=debug"),
    ("AIVEN_USER_AGENT", "requests name this operator and its version"),
    ("AIVEN_CLIENT_RETRY_MAX", "failed calls are repeated per resource, with growing pauses"),
    ("AIVEN_CLIENT_RETRY_WAIT_MIN", "failed calls are repeated per resource, with growing pauses"),
    ("AIVEN_CLIENT_RETRY_WAIT_MAX", "failed calls are repeated per resource, with growing pauses"),
];

/// A note for each variable that is set and means nothing here.
pub fn notes(is_set: impl Fn(&str) -> bool) -> Vec<String> {
    let set = VARIABLES.iter().filter(|(name, _)| is_set(name));
    set.map(|(name, instead)| format!("{name} is ignored: {instead}")).collect()
}

/// Warns once a minute, until `shutdown`, while aiven-operator works on the same resources.
pub async fn watch_out(client: Client, namespaces: Vec<Option<String>>, shutdown: CancellationToken) {
    loop {
        for namespace in &namespaces {
            match running(&client, namespace.as_deref()).await {
                Ok(found) => found.iter().for_each(|holder| warn(holder)),
                Err(error) => tracing::debug!(%error, "cannot check for aiven-operator"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

fn warn(holder: &str) {
    tracing::error!(
        "ANOTHER OPERATOR IS RUNNING: {holder}. Both work on the same resources and undo each other's changes; stop the other one"
    );
}

/// The processes of aiven-operator that lead in a namespace, or anywhere.
pub async fn running(client: &Client, namespace: Option<&str>) -> Result<Vec<String>, kube::Error> {
    let api: Api<Lease> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let named = ListParams::default().fields(&format!("metadata.name={LEASE}"));
    let leases = api.list(&named).await?.items;
    Ok(leases.iter().filter_map(|lease| holder(lease, Timestamp::now())).collect())
}

/// Holder of the lease of aiven-operator, if there is one.
fn holder(lease: &Lease, now: Timestamp) -> Option<String> {
    let holder = holder_of(lease, now)?;
    let namespace = lease.namespace().unwrap_or_default();
    Some(format!("{holder} holds lease {namespace}/{LEASE}"))
}

/// Holder of a lease that is being renewed, if there is one.
pub fn holder_of(lease: &Lease, now: Timestamp) -> Option<String> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
    let age = now.duration_since(spec.renew_time.as_ref()?.0).as_secs();
    let limit = i64::from(spec.lease_duration_seconds.unwrap_or(15)) * STALE_AFTER;
    (age <= limit).then(|| holder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_variables_that_are_set_are_answered() {
        let notes = notes(|name| ["ENABLE_WEBHOOKS", "AIVEN_CA_CERT", "PATH"].contains(&name));
        assert_eq!(notes.len(), 2);
        assert!(notes[0].starts_with("ENABLE_WEBHOOKS is ignored: there are no webhooks"), "{}", notes[0]);
        assert!(notes[1].contains("SSL_CERT_FILE"), "{}", notes[1]);
    }

    #[test]
    fn a_lease_counts_while_it_is_renewed() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let lease = |renewed: &str, holder: &str| -> Lease {
            serde_json::from_value(json!({
                "metadata": {"name": LEASE, "namespace": "aiven"},
                "spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15},
            }))
            .unwrap()
        };
        let found = holder(&lease("2026-01-01T00:00:50.000000Z", "pod-1"), now).unwrap();
        assert_eq!(found, "pod-1 holds lease aiven/40db2fac.aiven.io");
        assert_eq!(holder(&lease("2026-01-01T00:00:50.000000Z", ""), now), None);
        assert_eq!(holder(&lease("2026-01-01T00:00:20.000000Z", "pod-1"), now), None);
    }
}
