//! Protection of storage that is in use: a claim stays as long as a pod uses it, a volume as long as it is
//! bound. Guarantees that neither outlives its last user once it is deleted.

use serde_json::Value;

use super::target;
use crate::api::Api;
use crate::failure::GroupResource;
use crate::storage::object::{Metadata, Object};
use crate::storage::store::{Change, Key};
use crate::write::delete::release;

/// Checks what a change may have released.
pub(super) fn follow(api: &Api, change: &Change) {
    if !change.resource.group.is_empty() {
        return;
    }
    match change.resource.plural.as_str() {
        "persistentvolumeclaims" if !change.deleted => check_claim(api, &change.key),
        "persistentvolumes" if !change.deleted => check_volume(api, &change.key.name),
        "persistentvolumeclaims" => {
            if let Some(volume) = change.object.value["spec"]["volumeName"].as_str() {
                check_volume(api, volume);
            }
        }
        "pods" if change.deleted || is_finished(&change.object.value) => {
            for name in claims_of(&change.object.value) {
                check_claim(api, &Key::new(&change.key.namespace, name));
            }
        }
        _ => {}
    }
}

fn check_claim(api: &Api, key: &Key) {
    let id = GroupResource::new("", "persistentvolumeclaims");
    let Some(claim) = api.store.get(&id, key).filter(|claim| claim.value.deleting()) else { return };
    let (pods, _) = api.store.list(&GroupResource::new("", "pods"), Some(&key.namespace));
    let uses = |pod: &Object| !is_finished(&pod.value) && claims_of(&pod.value).any(|name| name == key.name);
    if !pods.iter().any(|pod| uses(pod))
        && claim.value.finalizers().contains(&"kubernetes.io/pvc-protection")
        && let Some(target) = target(api, &id, key)
    {
        release(api, &target, "kubernetes.io/pvc-protection");
    }
}

fn check_volume(api: &Api, name: &str) {
    let (id, key) = (GroupResource::new("", "persistentvolumes"), Key::new("", name));
    let Some(volume) = api.store.get(&id, &key).filter(|volume| volume.value.deleting()) else { return };
    let bound = volume.value["status"]["phase"] == "Bound";
    if !bound
        && volume.value.finalizers().contains(&"kubernetes.io/pv-protection")
        && let Some(target) = target(api, &id, &key)
    {
        release(api, &target, "kubernetes.io/pv-protection");
    }
}

fn is_finished(pod: &Value) -> bool {
    ["Succeeded", "Failed"].contains(&pod["status"]["phase"].as_str().unwrap_or_default())
}

fn claims_of(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
}
