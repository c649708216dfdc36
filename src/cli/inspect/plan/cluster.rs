//! The plan of a `ValkeyCluster`: what applying a manifest does to its servers.
//!
//! Guarantees: the API server judges the manifest in a dry run, so that defaults, rules and admission policies are its own;
//! nothing is stored. Pods are replaced or resized if the operator's own revision of them differs.

use super::{
    cluster_notes::{note_of_resize, notes},
    planned::Problem,
};
use crate::cli::inspect::{find::applied, session::Session};
use anyhow::Context as _;
use chrono::Utc;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use valkeeper_api::{
    ValkeyCluster,
    valkey_cluster::{self, NAME},
};
use valkeeper_cluster::{
    Defaults, Desired, PodSeen,
    effects::{self, Change, Effect},
    names,
};

/// Longest wait for the answer to a dry run.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// So often a dry run is made that something else gets in the way of.
const ATTEMPTS: u32 = 5;

/// The plan of one cluster.
#[derive(Default, Serialize)]
pub(super) struct PlannedCluster {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The resource exists.
    pub(super) resource_exists: bool,
    /// Why it would not work.
    pub(super) problems: Vec<Problem>,
    /// Field by field.
    pub(super) changes: Vec<ChangedField>,
    /// Pods that are created.
    pub(super) created: Vec<String>,
    /// Pods that are resized while they run, in this order.
    pub(super) resized: Vec<String>,
    /// Pods that are replaced, in this order.
    pub(super) replaced: Vec<String>,
    /// Pods that end without a successor.
    pub(super) removed: Vec<String>,
    /// Directives that wait for servers to be replaced.
    pub(super) restart_needed: Vec<String>,
    /// What else follows from it.
    pub(super) notes: Vec<String>,
}

/// A field that changes.
#[derive(Serialize)]
pub(super) struct ChangedField {
    pub(super) field: String,
    pub(super) from: Value,
    pub(super) to: Value,
    pub(super) effect: &'static str,
}

impl PlannedCluster {
    /// Whether something would be different.
    pub(super) fn changes(&self) -> bool {
        let pods = self.created.len() + self.resized.len() + self.replaced.len() + self.removed.len();
        !self.changes.is_empty() || pods > 0 || !self.restart_needed.is_empty()
    }
}

impl Session {
    /// A cluster, if it exists and its kind is defined.
    pub(super) async fn cluster(&self, namespace: &str, name: &str) -> anyhow::Result<Option<Value>> {
        let found = self.get_object(&kind(), namespace, name).await?;
        Ok(found.map(serde_json::to_value).transpose()?)
    }

    /// What applying this manifest does.
    pub(super) async fn planned_cluster(&self, manifest: &Value) -> anyhow::Result<PlannedCluster> {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        let namespace = text("/metadata/namespace").unwrap_or(&self.namespace).to_owned();
        let name = text("/metadata/name").unwrap_or_default().to_owned();
        let live = if name.is_empty() { None } else { self.cluster(&namespace, &name).await? };
        let mut planned = PlannedCluster {
            kind: NAME,
            resource_exists: live.is_some(),
            namespace,
            name,
            ..PlannedCluster::default()
        };
        // The API server drops unknown fields of a dry run in silence. What it has stored has none.
        if manifest.pointer("/metadata/uid").is_none() {
            planned.problems =
                valkey_cluster::manifest_violations(manifest).iter().map(Problem::from).collect();
        }
        if !planned.problems.is_empty() {
            return Ok(planned);
        }
        let (live, judged) = self.judged(&planned.namespace, &planned.name, live, manifest).await?;
        match judged {
            Err(problems) => planned.problems = problems,
            Ok(object) => self.compare(&mut planned, live.as_ref(), &object).await?,
        }
        Ok(planned)
    }

    /// The resource, and what a dry run makes of it; again if something else has written it in between.
    async fn judged(
        &self,
        namespace: &str,
        name: &str,
        mut live: Option<Value>,
        manifest: &Value,
    ) -> anyhow::Result<(Option<Value>, Result<Value, Vec<Problem>>)> {
        for _ in 1..ATTEMPTS {
            match self.dry_run(namespace, live.as_ref(), manifest).await {
                Err(error) if is_conflict(&error) => live = self.cluster(namespace, name).await?,
                answer => return Ok((live, answer?)),
            }
        }
        let answer = self.dry_run(namespace, live.as_ref(), manifest).await?;
        Ok((live, answer))
    }

    /// The object as the API server would store it, or what it refuses.
    async fn dry_run(
        &self,
        namespace: &str,
        live: Option<&Value>,
        manifest: &Value,
    ) -> anyhow::Result<Result<Value, Vec<Problem>>> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.asking.clone(), namespace, &kind());
        let mut object = applied(live, manifest, namespace);
        if let (None, Some(meta)) = (live, object["metadata"].as_object_mut()) {
            // The server gives these.
            meta.retain(|key, _| key != "uid" && key != "generation");
        }
        let object: DynamicObject = serde_json::from_value(object).context("cannot read the manifest")?;
        let name = object.name_any();
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let trying = async {
            match live {
                Some(_) => api.replace(&name, &parameters, &object).await,
                None => api.create(&parameters, &object).await,
            }
        };
        let cannot = || format!("cannot dry-run {NAME} {namespace}/{name}");
        match tokio::time::timeout(ANSWER_TIMEOUT, trying).await.with_context(cannot)? {
            Ok(object) => Ok(Ok(serde_json::to_value(object)?)),
            Err(kube::Error::Api(status)) if [400, 422].contains(&status.code) => Ok(Err(problems(&status))),
            Err(error) => Err(error).with_context(cannot),
        }
    }

    async fn compare(
        &self,
        planned: &mut PlannedCluster,
        live: Option<&Value>,
        object: &Value,
    ) -> anyhow::Result<()> {
        let desired = |object: &Value| -> anyhow::Result<Desired> {
            let cluster: ValkeyCluster =
                serde_json::from_value(object.clone()).context("cannot read the cluster")?;
            Ok(Desired::of(&cluster, Defaults::default()))
        };
        let after = desired(object)?;
        let wanted = if after.is_powered() { after.instances() } else { 0 };
        let name = |ordinal: u32| after.instance(ordinal);
        let Some(live) = live else {
            planned.created = (0..wanted).map(name).collect();
            return Ok(());
        };
        let before = desired(live)?;
        let pods = self.pods(&planned.namespace, &planned.name).await?;
        let changes = effects::changes(&before, &after);
        let primary = live.pointer("/status/currentPrimary").and_then(Value::as_str);
        let primary = primary.and_then(|name| names::ordinal(&after.name, name));
        let now = Utc::now();
        let replaced = effects::replaced(&after, &pods, &changes, primary, now);
        let resized = effects::resized(&after, &pods, primary, now);
        planned.created = (0..wanted).filter(|ordinal| !pods.contains_key(ordinal)).map(name).collect();
        planned.removed = pods.range(wanted..).map(|(ordinal, _)| name(*ordinal)).collect();
        let others = effects::are_other_pods(&after, &pods);
        planned.notes = notes(&after, &changes, &replaced, primary, others, now);
        planned.notes.extend((!resized.is_empty()).then(|| note_of_resize(&after)));
        planned.restart_needed.clone_from(&before.status.restart_needed);
        let is_replaced = resized.is_empty() && !replaced.is_empty();
        planned.resized = resized.into_iter().map(name).collect();
        planned.replaced = replaced.into_iter().map(name).collect();
        let changes = changes.into_iter().map(|change| match change.effect {
            Effect::Resize if is_replaced => Change { effect: Effect::Replace, ..change },
            _ => change,
        });
        planned.changes = changes.map(changed_field).collect();
        Ok(())
    }

    /// The pods of a cluster, by ordinal.
    async fn pods(&self, namespace: &str, name: &str) -> anyhow::Result<BTreeMap<u32, PodSeen>> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let of = ListParams::default().labels(&format!("{}={name}", names::CLUSTER));
        let list =
            crate::cluster::bounded(|| format!("list pods of {namespace}/{name}"), api.list(&of)).await?;
        let pods = list.items.iter().filter_map(|pod| {
            let ordinal = names::ordinal(name, &pod.name_any())?;
            Some((ordinal, PodSeen::of(pod, false)))
        });
        Ok(pods.collect())
    }
}

/// Something else has written the object since it was read.
fn is_conflict(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(kube::Error::Api(status)) if status.code == 409)
}

fn kind() -> ApiResource {
    ApiResource::erase::<ValkeyCluster>(&())
}

/// What the API server refuses, field by field.
fn problems(status: &kube::core::Status) -> Vec<Problem> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let problems: Vec<_> =
        causes.map(|cause| Problem { field: cause.field.clone(), message: cause.message.clone() }).collect();
    if problems.is_empty() {
        return vec![Problem { field: "manifest".to_owned(), message: status.message.clone() }];
    }
    problems
}

fn changed_field(change: Change) -> ChangedField {
    let effect = match change.effect {
        Effect::None => "none",
        Effect::Live => "online",
        Effect::Restart => "restart",
        Effect::Resize => "resize",
        Effect::Replace => "replace",
        Effect::Scale => "scale",
        Effect::Grow => "grow",
        Effect::Power => "power",
    };
    ChangedField { field: change.field, from: change.from, to: change.to, effect }
}
