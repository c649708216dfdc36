//! Pods and volume claims of instances: created, deleted and labelled, one write at a time.

use super::{
    Reconciliation,
    perform::{already_there, rendered},
};
use crate::{cluster::objects, controller::error::Result};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use serde_json::json;
use valkeeper_cluster::{Desired, Step, names, pod};

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
}
