//! Does an operator work, exactly one, and in which version.

use super::finding::Finding;
use crate::cli::inspect::session::Session;
use crate::{aiven_operator, cluster::bounded};
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Pod},
    jiff::Timestamp,
};
use kube::{Api, ResourceExt as _, api::ListParams};
use std::collections::BTreeSet;

/// The label of the operator's pods.
const LABEL: &str = "app.kubernetes.io/name=valkeeper";
/// Label that distinguishes releases of the chart.
const RELEASE: &str = "app.kubernetes.io/instance";

pub(super) async fn replicas(session: &Session, namespace: &str) -> Vec<Finding> {
    const CHECK: &str = "operator";
    let api: Api<Pod> = Api::all(session.client.clone());
    let named = ListParams::default().labels(LABEL);
    let pods = match bounded(|| "list the pods of the operator".to_owned(), api.list(&named)).await {
        Ok(pods) => pods.items,
        Err(error) => return vec![Finding::skipped(CHECK, &error)],
    };
    if pods.is_empty() {
        let command = format!("helm upgrade --install valkeeper charts/valkeeper --namespace {namespace}");
        return vec![Finding::error(CHECK, "no pod of the operator exists", command)];
    }
    let mut findings: Vec<_> = pods.iter().map(|pod| replica(CHECK, pod)).collect();
    let release = |pod: &Pod| (pod.namespace(), pod.labels().get(RELEASE).cloned());
    let releases: BTreeSet<_> = pods.iter().map(release).collect();
    if releases.len() > 1 {
        let message = format!(
            "{} releases of valkeeper run; they undo each other's changes unless they watch different namespaces",
            releases.len()
        );
        findings.push(Finding::error(CHECK, message, "helm list --all-namespaces --filter valkeeper"));
    }
    findings
}

fn replica(check: &'static str, pod: &Pod) -> Finding {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.filter(|one| one.type_ == "Ready").any(|one| one.status == "True");
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let image = containers.find_map(|one| one.image.clone()).unwrap_or_default();
    if !ready {
        let message = format!("pod {namespace}/{name} is not ready");
        return Finding::error(
            check,
            message,
            format!("kubectl --namespace {namespace} logs {name} --tail=20"),
        );
    }
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag).trim_start_matches('v');
    let ours = env!("CARGO_PKG_VERSION");
    if !tag.is_empty() && !image.contains("@sha256:") && tag != ours {
        let message = format!("pod {namespace}/{name} runs {image}, and this program is {ours}");
        return Finding::warning(
            check,
            message,
            format!("kubectl --namespace {namespace} get pod {name} -o yaml"),
        );
    }
    Finding::ok(check, format!("pod {namespace}/{name} is ready, {image}"))
}

pub(super) async fn lease(session: &Session, namespace: &str, name: &str) -> Vec<Finding> {
    const CHECK: &str = "lease";
    let api: Api<Lease> = Api::namespaced(session.client.clone(), namespace);
    let found = match bounded(|| format!("read lease {namespace}/{name}"), api.get_opt(name)).await {
        Ok(found) => found,
        Err(error) => return vec![Finding::skipped(CHECK, &error)],
    };
    let Some(lease) = found else {
        let message =
            format!("there is no lease {namespace}/{name}: no replica leads, or leader election is off");
        return vec![Finding::warning(CHECK, message, "kubectl get leases --all-namespaces")];
    };
    vec![match aiven_operator::holder_of(&lease, Timestamp::now()) {
        Some(holder) => Finding::ok(CHECK, format!("{holder} leads")),
        None => Finding::error(
            CHECK,
            format!("lease {namespace}/{name} is not renewed: no replica leads"),
            format!("kubectl --namespace {namespace} logs --selector={LABEL} --tail=50"),
        ),
    }]
}

pub(super) async fn others(session: &Session) -> Vec<Finding> {
    const CHECK: &str = "aiven-operator";
    match aiven_operator::running(&session.client, None).await {
        Err(error) => vec![Finding::skipped(CHECK, &error)],
        Ok(found) if found.is_empty() => vec![Finding::ok(CHECK, "no aiven-operator leads")],
        Ok(found) => found
            .into_iter()
            .map(|holder| {
                let message = format!("aiven-operator works on the same resources: {holder}");
                let command = "kubectl get deployments --all-namespaces | grep aiven-operator; \
                    kubectl --namespace NAMESPACE scale deployment NAME --replicas=0";
                Finding::error(CHECK, message, command)
            })
            .collect(),
    }
}
