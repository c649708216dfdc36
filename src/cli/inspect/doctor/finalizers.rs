//! Objects that should be deleted and still exist: resources whose deletion takes long, and token Secrets that no
//! resource needs. The checks read only the metadata of Secrets.

use super::finding::Finding;
use crate::{
    cli::inspect::{find::Resource, session::Session},
    cluster::bounded,
};
use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::Value;
use std::collections::BTreeSet;
use valkeeper_api::names;

const CHECK: &str = "finalizers";
/// A deletion that takes longer is reported.
const SLOW_MINUTES: i64 = 10;

pub(super) async fn check(session: &Session) -> Vec<Finding> {
    let all = match session.all(true).await {
        Ok(all) => all,
        Err(error) => return vec![Finding::skipped(CHECK, &error)],
    };
    let others = session.no_services(true).await.unwrap_or_default();
    let mut findings: Vec<_> = all.iter().filter_map(|resource| deletion(resource, Utc::now())).collect();
    let secrets: Api<Secret> = Api::all(session.client.clone());
    let listed = bounded(|| "list Secrets".to_owned(), secrets.list_metadata(&ListParams::default())).await;
    match listed {
        Err(error) => findings.push(Finding::skipped(CHECK, &error)),
        Ok(listed) => {
            let services = all.iter().map(|resource| &resource.object);
            // Any resource without a reference may use the token of its namespace.
            let using: BTreeSet<_> = services.chain(&others).map(uses).collect();
            let held = listed.items.iter().filter(|secret| {
                let held = secret.finalizers().iter().any(|finalizer| finalizer == names::TOKEN_FINALIZER);
                let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
                let used = [name, String::new()].map(|name| using.contains(&(namespace.clone(), name)));
                held && secret.metadata.deletion_timestamp.is_some() && used == [false, false]
            });
            findings.extend(
                held.map(|secret| unneeded(&secret.namespace().unwrap_or_default(), &secret.name_any())),
            );
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "nothing is stuck in deletion"));
    }
    findings
}

/// Namespace and name of the Secret with the token of a resource; no name where it names none.
fn uses(resource: &Value) -> (String, String) {
    let text =
        |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/metadata/namespace"), text("/spec/authSecretRef/name"))
}

fn unneeded(namespace: &str, name: &str) -> Finding {
    Finding::error(
        CHECK,
        format!("Secret {namespace}/{name} is being deleted, is held as a token, and no resource uses it"),
        format!(
            "kubectl --namespace {namespace} patch secret {name} --type=merge --patch='{{\"metadata\":{{\"finalizers\":null}}}}'"
        ),
    )
}

/// A resource that should be gone.
fn deletion(resource: &Resource, now: DateTime<Utc>) -> Option<Finding> {
    let since = resource.text("/metadata/deletionTimestamp").parse::<DateTime<Utc>>().ok()?;
    let minutes = (now - since).num_minutes();
    if minutes < SLOW_MINUTES {
        return None;
    }
    let [_, reason, message] = resource.condition("Ready");
    let kind = resource.kind.name().to_lowercase();
    Some(Finding::error(
        CHECK,
        format!("{} is being deleted for {minutes} minutes: {reason}: {message}", resource.title()),
        format!(
            "kubectl --namespace {} annotate {kind} {} {}={} # keeps the service, and its costs",
            resource.namespace(),
            resource.name(),
            names::DELETION_POLICY,
            names::DELETION_POLICY_ORPHAN
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use valkeeper_api::Kind;

    #[test]
    fn slow_deletion_is_found_with_its_reason() {
        let object = json!({"metadata": {"name": "a", "namespace": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "TokenMissing", "message": "m"}]}});
        let resource = Resource { kind: Kind::Valkey, object };
        let at = |time: &str| deletion(&resource, time.parse().unwrap());
        assert!(at("2026-01-01T00:09:00Z").is_none());
        let finding = at("2026-01-01T00:11:00Z").unwrap();
        assert!(finding.message.contains("11 minutes: TokenMissing"), "{}", finding.message);
        assert!(finding.command.unwrap().contains("deletion-policy=Orphan"));
    }
}
