//! A namespace that is created and deleted with everything in it.

use crate::asking::until;
use crate::world::World;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;
use valkeeper_api::{ValkeyBackup, ValkeyCluster, ValkeyScheduledBackup};

/// The operator watches it beside the usual one.
pub(crate) const SHOP: &str = "shop";

impl World {
    pub(crate) fn namespaces(&self) -> Api<Namespace> {
        Api::all(self.client.clone())
    }

    /// Everything is in the namespace `shop` from here on, which is empty.
    pub(crate) async fn move_to_shop(&mut self) {
        let namespace = json!({"metadata": {"name": SHOP}});
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        self.namespaces().create(&PostParams::default(), &namespace).await.unwrap();
        self.namespace = SHOP;
    }

    /// Deletes the namespace with everything in it, as its controller does; the real API server here has none.
    pub(crate) async fn delete_shop(&self) {
        self.namespaces().delete(SHOP, &DeleteParams::default()).await.unwrap();
        until("the namespace is gone", async || {
            let left = [
                self.empty::<ValkeyScheduledBackup>().await,
                self.empty::<ValkeyBackup>().await,
                self.empty::<ValkeyCluster>().await,
                self.empty::<Secret>().await,
                self.empty::<ConfigMap>().await,
                self.empty::<Service>().await,
                self.empty::<Lease>().await,
                self.empty::<PodDisruptionBudget>().await,
                self.empty::<PersistentVolumeClaim>().await,
                self.empty::<Pod>().await,
                self.empty::<ServiceAccount>().await,
            ];
            let found = self.namespaces().get_opt(SHOP).await.unwrap();
            let Some(mut namespace) = found else { return Some(()) };
            if left.iter().all(|left| *left == 0) {
                namespace.spec.get_or_insert_default().finalizers = Some(Vec::new());
                let namespaces = self.namespaces();
                let _ = namespaces
                    .replace_subresource("finalize", SHOP, &PostParams::default(), &namespace)
                    .await;
            }
            None
        })
        .await;
    }

    /// Deletes what belonged to an object that is gone, as the garbage collector does; the real API server here has none.
    pub(crate) async fn collect(&self, owner: &str) {
        self.collect_kind::<Secret>(owner).await;
        self.collect_kind::<ConfigMap>(owner).await;
        self.collect_kind::<Service>(owner).await;
        self.collect_kind::<Lease>(owner).await;
        self.collect_kind::<PodDisruptionBudget>(owner).await;
        self.collect_kind::<PersistentVolumeClaim>(owner).await;
        self.collect_kind::<ServiceAccount>(owner).await;
        self.collect_kind::<Role>(owner).await;
        self.collect_kind::<RoleBinding>(owner).await;
    }

    async fn collect_kind<K>(&self, owner: &str)
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        for object in self.api::<K>().list(&ListParams::default()).await.unwrap().items {
            if object.owner_references().iter().any(|reference| reference.uid == owner) {
                let _ = self.api::<K>().delete(&object.name_any(), &DeleteParams::default()).await;
            }
        }
    }

    /// Deletes all objects of a kind; answers how many there were.
    async fn empty<K>(&self) -> usize
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        let objects = self.api::<K>().list(&ListParams::default()).await.unwrap().items;
        for object in objects.iter().filter(|object| object.meta().deletion_timestamp.is_none()) {
            let _ = self.api::<K>().delete(&object.name_any(), &DeleteParams::default()).await;
        }
        objects.len()
    }
}
