//! Everything that belongs to clusters, as the API shows it.

use crate::world::World;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::json;
use std::collections::BTreeMap;

/// What a cluster is made of, but for Secrets, whose content is secret, and Leases, which are renewed.
const KINDS: [(&str, &str, &str); 11] = [
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
    ("valkeeper.io", "v1alpha1", "ValkeyUser"),
];

impl World {
    /// Gives a Secret this one entry.
    pub(crate) async fn set_secret(&self, name: &str, key: &str, value: &str) {
        let body = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: value},
        });
        let _ = self.api::<Secret>().delete(name, &DeleteParams::default()).await;
        let secret: Secret = serde_json::from_value(body).unwrap();
        self.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    }

    /// The version and the text of each object, and of each event.
    pub(crate) async fn everything(&self) -> BTreeMap<String, (String, String)> {
        let mut found = BTreeMap::new();
        for (group, version, kind) in KINDS {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), self.namespace, &resource);
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
