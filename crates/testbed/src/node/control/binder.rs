//! Volumes for claims: a folder each, in the zone of the node that needs it first. Extends them, keeps volumes in
//! use, and removes unused ones. A claim gets one volume only.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::node::cluster::{Cluster, Controller, ignore_races};
use crate::node::disk;
use crate::node::fit::nano;

/// Where a claim is needed first.
pub(super) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const PROVISIONER: &str = "valkeeper.io/folder";
const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";

/// The binder, and the folder of its volumes.
pub(crate) struct Binder {
    pub(crate) folder: PathBuf,
    /// Whether volumes have the size of their claims.
    pub(crate) sized: bool,
}

impl Controller for Binder {
    const NAME: &'static str = "volume binder";

    async fn reconcile(&mut self, cluster: &Cluster) -> Result<(), kube::Error> {
        if cluster.classes.is_empty() {
            create_class(cluster).await?;
        }
        for claim in cluster.claims.state() {
            if claim.metadata.deletion_timestamp.is_some() {
                release_claim(cluster, &claim).await?;
            } else {
                self.follow(cluster, &claim).await?;
            }
        }
        for volume in cluster.volumes.state() {
            reclaim(cluster, &volume).await?;
        }
        Ok(())
    }
}

async fn create_class(cluster: &Cluster) -> Result<(), kube::Error> {
    let class = serde_json::from_value(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": PROVISIONER, "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true,
    }));
    let class: StorageClass = class.map_err(kube::Error::SerdeError)?;
    let api: Api<StorageClass> = Api::all(cluster.client.clone());
    ignore_races(api.create(&PostParams::default(), &class).await).map(drop)
}

fn requested(claim: &PersistentVolumeClaim) -> Option<String> {
    let resources = claim.spec.as_ref()?.resources.as_ref()?;
    resources.requests.as_ref()?.get("storage").map(|amount| amount.0.clone())
}

fn bytes(amount: &str) -> u64 {
    let whole = nano(amount).unwrap_or_default() / 1_000_000_000;
    u64::try_from(whole).unwrap_or(u64::MAX)
}

fn class_of(cluster: &Cluster, claim: &PersistentVolumeClaim) -> Option<std::sync::Arc<StorageClass>> {
    let name = claim.spec.as_ref()?.storage_class_name.as_deref()?;
    cluster.classes.get(&ObjectRef::new(name)).filter(|class| class.provisioner == PROVISIONER)
}

fn claims(cluster: &Cluster, claim: &PersistentVolumeClaim) -> Api<PersistentVolumeClaim> {
    Api::namespaced(cluster.client.clone(), &claim.namespace().unwrap_or_default())
}

impl Binder {
    async fn follow(&self, cluster: &Cluster, claim: &PersistentVolumeClaim) -> Result<(), kube::Error> {
        let spec = claim.spec.clone().unwrap_or_default();
        if let Some(volume) = spec.volume_name.filter(|name| !name.is_empty()) {
            let Some(volume) = cluster.volumes.get(&ObjectRef::new(&volume)) else { return Ok(()) };
            return settle(cluster, claim, &volume, self.sized).await;
        }
        let Some(class) = class_of(cluster, claim) else { return Ok(()) };
        let node = claim.annotations().get(SELECTED_NODE);
        let node = node.and_then(|name| cluster.nodes.get(&ObjectRef::new(name)));
        if class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer") && node.is_none() {
            return Ok(());
        }
        let volume = self.volume(claim, &class, node.as_deref());
        let name = volume["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let volume: PersistentVolume = serde_json::from_value(volume).map_err(kube::Error::SerdeError)?;
        if self.sized
            && let Err(error) =
                disk::mount(&self.folder.join(&name), bytes(&requested(claim).unwrap_or_default()))
        {
            // Not bound, it is tried again.
            tracing::warn!(%error, "a volume cannot be mounted");
            return Ok(());
        }
        let api: Api<PersistentVolume> = Api::all(cluster.client.clone());
        ignore_races(api.create(&PostParams::default(), &volume).await)?;
        let patch = json!({"metadata": {"uid": claim.uid()}, "spec": {"volumeName": name}});
        let patched = claims(cluster, claim)
            .patch(&claim.name_any(), &PatchParams::default(), &Patch::Merge(patch))
            .await;
        ignore_races(patched).map(drop)
    }

    fn volume(&self, claim: &PersistentVolumeClaim, class: &StorageClass, node: Option<&Node>) -> Value {
        let uid = claim.uid().unwrap_or_default();
        let name = format!("pvc-{uid}");
        let spec = claim.spec.clone().unwrap_or_default();
        let mut volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
            "spec": {
                "storageClassName": class.name_any(), "accessModes": spec.access_modes,
                "capacity": {"storage": requested(claim)}, "volumeMode": "Filesystem",
                "persistentVolumeReclaimPolicy": class.reclaim_policy.as_deref().unwrap_or("Delete"),
                "hostPath": {"path": self.folder.join(&name).display().to_string()},
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "uid": uid,
                    "namespace": claim.namespace(), "name": claim.name_any(),
                },
            },
        });
        let zone = node.and_then(|node| node.labels().get("topology.kubernetes.io/zone"));
        if let Some(zone) = zone {
            let zone = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]});
            volume["spec"]["nodeAffinity"] =
                json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}});
        }
        volume
    }
}

/// Marks claim and volume as bound, and lets the volume grow.
async fn settle(
    cluster: &Cluster,
    claim: &PersistentVolumeClaim,
    volume: &PersistentVolume,
    sized: bool,
) -> Result<(), kube::Error> {
    let api: Api<PersistentVolume> = Api::all(cluster.client.clone());
    let (wanted, spec) = (requested(claim).unwrap_or_default(), volume.spec.clone().unwrap_or_default());
    let capacity = |amount: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity>| {
        amount.map(|amount| amount.0.clone()).unwrap_or_default()
    };
    let present = capacity(spec.capacity.as_ref().and_then(|amounts| amounts.get("storage")));
    let options = PatchParams::default();
    let size = if nano(&wanted) > nano(&present) { wanted } else { present.clone() };
    if size != present {
        let folder = spec.host_path.as_ref().map(|path| PathBuf::from(&path.path)).unwrap_or_default();
        if sized && let Err(error) = disk::resize(&folder, bytes(&size)) {
            tracing::warn!(%error, "a volume does not grow");
            return Ok(());
        }
        let patch = Patch::Merge(json!({"spec": {"capacity": {"storage": size}}}));
        ignore_races(api.patch(&volume.name_any(), &options, &patch).await)?;
    }
    if volume.status.as_ref().and_then(|status| status.phase.as_deref()) != Some("Bound") {
        let patch = Patch::Merge(json!({"status": {"phase": "Bound"}}));
        ignore_races(api.patch_status(&volume.name_any(), &options, &patch).await)?;
    }
    let status = claim.status.clone().unwrap_or_default();
    let known = capacity(status.capacity.as_ref().and_then(|amounts| amounts.get("storage")));
    if status.phase.as_deref() != Some("Bound") || known != size {
        let patch = Patch::Merge(json!({"status": {
            "phase": "Bound", "accessModes": spec.access_modes, "capacity": {"storage": size},
        }}));
        ignore_races(claims(cluster, claim).patch_status(&claim.name_any(), &options, &patch).await)?;
    }
    Ok(())
}

/// Lets a deleted claim go once no pod uses it.
async fn release_claim(cluster: &Cluster, claim: &PersistentVolumeClaim) -> Result<(), kube::Error> {
    let (name, namespace) = (claim.name_any(), claim.namespace());
    let used = cluster.pods.state().iter().any(|pod| {
        let finished = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        pod.namespace() == namespace
            && !matches!(finished, Some("Succeeded" | "Failed"))
            && volumes
                .filter_map(|volume| volume.persistent_volume_claim.as_ref())
                .any(|source| source.claim_name == name)
    });
    if used || !claim.finalizers().iter().any(|found| found == CLAIM_FINALIZER) {
        return Ok(());
    }
    let patch = without(claim.finalizers(), CLAIM_FINALIZER, claim.metadata.resource_version.as_deref());
    ignore_races(claims(cluster, claim).patch(&name, &PatchParams::default(), &patch).await).map(drop)
}

fn without(finalizers: &[String], gone: &str, version: Option<&str>) -> Patch<Value> {
    let kept: Vec<&String> = finalizers.iter().filter(|found| *found != gone).collect();
    Patch::Merge(json!({"metadata": {"finalizers": kept, "resourceVersion": version}}))
}

/// What becomes of a volume whose claim is gone.
async fn reclaim(cluster: &Cluster, volume: &PersistentVolume) -> Result<(), kube::Error> {
    let annotation = volume.annotations().get("pv.kubernetes.io/provisioned-by");
    if annotation.map(String::as_str) != Some(PROVISIONER) {
        return Ok(());
    }
    let spec = volume.spec.clone().unwrap_or_default();
    let claim = spec.claim_ref.clone().unwrap_or_default();
    let place = ObjectRef::new(&claim.name.unwrap_or_default()).within(&claim.namespace.unwrap_or_default());
    let is_there = cluster.claims.get(&place).is_some_and(|found| found.uid() == claim.uid);
    if is_there {
        return Ok(());
    }
    let api: Api<PersistentVolume> = Api::all(cluster.client.clone());
    let (name, options) = (volume.name_any(), PatchParams::default());
    if spec.persistent_volume_reclaim_policy.as_deref() == Some("Retain") {
        if volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound") {
            let patch = Patch::Merge(json!({"status": {"phase": "Released"}}));
            ignore_races(api.patch_status(&name, &options, &patch).await)?;
        }
        return Ok(());
    }
    // The store may be behind: a volume is created before its claim names it, but never before its claim.
    let claims: Api<PersistentVolumeClaim> =
        Api::namespaced(cluster.client.clone(), place.namespace.as_deref().unwrap_or_default());
    if claims.get_opt(&place.name).await?.is_some_and(|found| found.uid() == claim.uid) {
        return Ok(());
    }
    if let Some(path) = spec.host_path.map(|path| path.path) {
        if disk::is_mounted(Path::new(&path)) {
            disk::unmount(Path::new(&path));
        }
        if let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::debug!(path, %error, "the folder of a volume was not removed");
        }
    }
    ignore_races(api.delete(&name, &DeleteParams::default()).await)?;
    let patch = without(volume.finalizers(), VOLUME_FINALIZER, None);
    ignore_races(api.patch(&name, &options, &patch).await).map(drop)
}
