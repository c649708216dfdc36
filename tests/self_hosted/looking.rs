//! Everything that belongs to clusters, as the API shows it.

use crate::world::World;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use std::collections::BTreeMap;

/// What a cluster is made of, but for Secrets, whose content is secret, and Leases, which are renewed.
const KINDS: [(&str, &str, &str); 10] = [
    ("", "v1", "Pod"),
    ("", "v1", "Service"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "ServiceAccount"),
    ("", "v1", "PersistentVolumeClaim"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "v1", "Role"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("valkeeper.io", "v1alpha1", "ValkeyCluster"),
];

impl World {
    /// The version and the text of each object, and of each event.
    pub(crate) async fn everything(&self) -> BTreeMap<String, (String, String)> {
        let mut found = BTreeMap::new();
        for (group, version, kind) in KINDS {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), "default", &resource);
            for object in api.list(&ListParams::default()).await.unwrap().items {
                let metadata = &object.metadata;
                let name = format!("{kind} {}", metadata.name.clone().unwrap_or_default());
                let version = metadata.resource_version.clone().unwrap_or_default();
                found.insert(name, (version, serde_json::to_string(&object).unwrap()));
            }
        }
        for (number, event) in self.events().await.into_iter().enumerate() {
            found.insert(format!("event {number}"), (String::new(), event));
        }
        found
    }
}
