//! Pods and volume claims of instances: created, deleted, labelled and resized, one write at a time.

use super::{
    Reconciliation, clock,
    perform::{already_there, rendered},
};
use crate::{
    cluster::{ClusterError, objects},
    controller::error::Result,
};
use chrono::SecondsFormat;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use serde_json::json;
use tokio::time::Instant;
use valkeeper_cluster::{
    Desired, PodSeen, Step, names, pod,
    resize::{self, Refusal, ResizeStep},
    resources_patch, revision, successor,
};
use valkeeper_engine::failure::Class;

impl Reconciliation {
    /// Creates or deletes the pod or the volume claim of an instance.
    pub(super) async fn change_instance(&mut self, desired: &Desired, step: &Step) -> Result<()> {
        let client = &self.context.client;
        match step {
            Step::CreateClaim(ordinal) => {
                self.stale = true;
                self.create_claim(desired, *ordinal).await?;
            }
            Step::DeleteClaim(ordinal) => {
                let name = names::claim(&desired.name, *ordinal);
                objects::delete::<PersistentVolumeClaim>(client, &self.namespace, &name, None).await?;
            }
            Step::CreatePod(ordinal) => {
                let pod: Pod = rendered(pod(desired, *ordinal))?;
                match objects::create(client, &self.namespace, &pod).await? {
                    Some(created) => self.known.wrote(created),
                    None => return Err(already_there("pod", &desired.instance(*ordinal))),
                }
                // Its volume may have gone with the pod before it.
                self.stale |= desired.spec.persists();
                return Ok(());
            }
            Step::DeletePod(ordinal, uid) => {
                let name = desired.instance(*ordinal);
                objects::delete::<Pod>(client, &self.namespace, &name, Some(uid)).await?;
                // The watch shows what came of it; until then it counts as being deleted.
                let found = objects::get(client, &self.namespace, ("v1", "Pod", "pods"), &name).await?;
                if let Some(pod) = found.and_then(|pod| rendered::<Pod>(json!(pod)).ok()) {
                    self.known.wrote(pod);
                } else {
                    self.known.pods.remove(&name);
                    self.known.gone(&name, uid);
                }
                return Ok(());
            }
            _ => {}
        }
        self.stale = true;
        Ok(())
    }

    /// Gives a pod its role.
    pub(super) async fn label(
        &mut self,
        desired: &Desired,
        ordinal: u32,
        uid: &str,
        role: &str,
    ) -> Result<()> {
        let patch = json!({"metadata": {"uid": uid, "labels": {names::ROLE: role}}});
        let name = desired.instance(ordinal);
        let pod: Pod = objects::patch(&self.context.client, &self.namespace, &name, patch).await?;
        self.known.wrote(pod);
        Ok(())
    }

    /// Takes this part of the resize of a pod; answers whether Kubernetes takes it.
    pub(super) async fn resize(
        &mut self,
        desired: &Desired,
        ordinal: u32,
        uid: &str,
        part: ResizeStep,
    ) -> Result<bool> {
        let annotations = match part {
            ResizeStep::Ask => return self.ask_for_resources(desired, ordinal, uid).await,
            ResizeStep::Begin => {
                let now = clock::now().to_rfc3339_opts(SecondsFormat::Secs, true);
                json!({names::REVISION: null, names::RESIZE_BEGAN: format!("{}/{now}", revision(desired))})
            }
            ResizeStep::Finish => json!({names::REVISION: revision(desired), names::RESIZE_BEGAN: null}),
        };
        let patch = json!({"metadata": {"uid": uid, "annotations": annotations}});
        let name = desired.instance(ordinal);
        let pod: Pod = objects::patch(&self.context.client, &self.namespace, &name, patch).await?;
        self.known.wrote(pod);
        Ok(true)
    }

    /// Asks for the declared resources, and notes what Kubernetes refuses.
    async fn ask_for_resources(&mut self, desired: &Desired, ordinal: u32, uid: &str) -> Result<bool> {
        let name = desired.instance(ordinal);
        let mut patch = resources_patch(desired);
        patch["metadata"] = json!({"uid": uid});
        let refusal = match objects::resize(&self.context.client, &self.namespace, &name, patch).await {
            Ok(pod) => {
                let is_asked = resize::is_asked(desired, &PodSeen::of(&pod, false));
                self.known.wrote(pod);
                if is_asked {
                    return Ok(true);
                }
                tracing::warn!(pod = name, "a webhook has changed the resources of a resize");
                Refusal::Resize
            }
            Err(error) if error.class() == Class::Conflict => return Ok(false),
            Err(error @ ClusterError::Rejected { .. })
                if !matches!(error.class(), Class::Throttled { .. }) =>
            {
                tracing::warn!(%error, "a pod is not resized");
                self.refusal(desired, ordinal, error).await?
            }
            Err(error) => return Err(error.into()),
        };
        self.known
            .refused_resizes
            .insert(uid.to_owned(), (Instant::now(), resize::declared(desired), refusal));
        Ok(false)
    }

    /// Whether Kubernetes would refuse the pod that follows as well, such as above a quota.
    async fn refusal(&self, desired: &Desired, ordinal: u32, error: ClusterError) -> Result<Refusal> {
        // Before Kubernetes 1.33, or without the permission.
        if error.is_not_found() || error.is_missing_permission() {
            return Ok(Refusal::Resize);
        }
        let pod: Pod = rendered(successor(desired, ordinal))?;
        match objects::would_create(&self.context.client, &self.namespace, &pod).await {
            Ok(()) => Ok(Refusal::Resize),
            Err(ClusterError::Rejected { .. }) => Ok(Refusal::Successor(error.words())),
            Err(error) => Err(error.into()),
        }
    }
}
