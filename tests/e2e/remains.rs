//! What a test leaves behind in an API server. There is no garbage collector and no namespace controller beside a
//! real one, so that this is removed object by object; namespaces stay.

use futures::future::join_all;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Secret},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::json;
use valkeeper_api::{ProjectVpc, Redis, Valkey};

/// Namespaces of the API server itself.
const ITS_OWN: &str = "kube-";
/// Cluster roles of the API server itself carry this label.
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";

pub(crate) async fn remove(client: &Client) {
    of_kind::<Valkey>(client).await;
    of_kind::<Redis>(client).await;
    of_kind::<ProjectVpc>(client).await;
    of_kind::<Secret>(client).await;
    of_kind::<ConfigMap>(client).await;
    of_kind::<Lease>(client).await;
    of_kind::<RoleBinding>(client).await;
    of_kind::<Role>(client).await;
    of_kind::<ClusterRoleBinding>(client).await;
    of_kind::<ClusterRole>(client).await;
}

/// Without types: what does not decode is left behind as well.
async fn of_kind<K: Resource<DynamicType = ()>>(client: &Client) {
    let resource = ApiResource::erase::<K>(&());
    let all = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let all = all.list(&ListParams::default()).await.unwrap();
    let left = all.items.into_iter().filter(is_left);
    join_all(left.map(|object| remove_one(client, &resource, object))).await;
}

fn is_left(object: &DynamicObject) -> bool {
    let its_own = object.namespace().is_some_and(|namespace| namespace.starts_with(ITS_OWN));
    !its_own && !object.labels().contains_key(BOOTSTRAPPING)
}

async fn remove_one(client: &Client, resource: &ApiResource, object: DynamicObject) {
    let (name, namespace) = (object.name_any(), object.namespace());
    let api: Api<DynamicObject> = match &namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    };
    if !object.finalizers().is_empty() {
        let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        gone_or_done(api.patch(&name, &PatchParams::default(), &released).await.map(drop));
    }
    gone_or_done(api.delete(&name, &DeleteParams::default()).await.map(drop));
}

fn gone_or_done(outcome: kube::Result<()>) {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        outcome => outcome.unwrap(),
    }
}
