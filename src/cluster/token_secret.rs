//! Keeps a token Secret in place as long as a resource needs it to delete its service. A namespace that is
//! deleted takes its Secrets along at once, and without the token nothing else could be deleted. The
//! finalizer has the name that the replaced operator gave it; one that this program did not put on a Secret
//! is not taken off either, since that operator may still rely on it.

use super::{ClusterError, bounded, managers};
use crate::{
    api::{ProjectVpc, Redis, Valkey, names},
    failure::Class,
};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::json;

/// How often another writer may get in between.
const ATTEMPTS: usize = 5;

/// Puts the finalizer on the Secret unless it is there; returns whether it is there now. A Secret that does
/// not exist, or is being deleted without the finalizer, cannot be held any more.
pub async fn hold(client: &Client, namespace: &str, name: &str) -> Result<bool, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let Some(secret) = read(&api, name).await? else { return Ok(false) };
    let mut finalizers = secret.metadata.finalizers.clone().unwrap_or_default();
    if finalizers.iter().any(|one| one == names::TOKEN_FINALIZER) {
        return Ok(true);
    }
    if secret.metadata.deletion_timestamp.is_some() {
        return Ok(false);
    }
    finalizers.push(names::TOKEN_FINALIZER.to_owned());
    write(&api, name, &secret, &finalizers).await.map(|()| true)
}

/// Whether the Secret carries a finalizer of this program.
pub async fn is_held(client: &Client, namespace: &str, name: &str) -> Result<bool, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    Ok(read(&api, name).await?.is_some_and(|secret| is_ours(&secret.metadata)))
}

/// Takes the finalizer off the Secret when no resource of the namespace needs the Secret any more.
pub async fn let_go(client: &Client, namespace: &str, name: &str) -> Result<(), ClusterError> {
    let mut outcome = Ok(());
    for _ in 0..ATTEMPTS {
        outcome = try_to_let_go(client, namespace, name).await;
        // That the Secret is gone is for the next look to say: one wrong answer must not be the last.
        let again = |error: &ClusterError| matches!(error.class(), Class::Conflict | Class::NotFound);
        if !outcome.as_ref().is_err_and(again) {
            break;
        }
    }
    outcome
}

async fn try_to_let_go(client: &Client, namespace: &str, name: &str) -> Result<(), ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let Some(secret) = read(&api, name).await? else { return Ok(()) };
    if !is_ours(&secret.metadata) || is_needed(client, namespace, name).await? {
        return Ok(());
    }
    let mut finalizers = secret.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != names::TOKEN_FINALIZER);
    write(&api, name, &secret, &finalizers).await
}

/// Reads the Secret. That there is none is asked twice: a proxy that answers 404 once must not leave a
/// finalizer behind that nobody remembers.
async fn read(api: &Api<Secret>, name: &str) -> Result<Option<Secret>, ClusterError> {
    let doing = || format!("reading token Secret {name}");
    match bounded(doing, api.get_opt(name)).await? {
        Some(secret) => Ok(Some(secret)),
        None => bounded(doing, api.get_opt(name)).await,
    }
}

async fn write(
    api: &Api<Secret>,
    name: &str,
    secret: &Secret,
    finalizers: &[String],
) -> Result<(), ClusterError> {
    let metadata = json!({"resourceVersion": secret.metadata.resource_version, "finalizers": finalizers});
    let parameters =
        PatchParams { field_manager: Some(managers::METADATA.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"metadata": metadata}));
    let doing = || format!("changing the finalizers of token Secret {name}");
    bounded(doing, api.patch(name, &parameters, &patch)).await.map(drop)
}

/// Whether the API server's books say that the finalizer is this program's.
fn is_ours(metadata: &ObjectMeta) -> bool {
    let entry = format!("v:\"{}\"", names::TOKEN_FINALIZER);
    let mut ours = metadata.managed_fields.iter().flatten();
    ours.any(|fields| {
        let finalizers =
            fields.fields_v1.as_ref().and_then(|fields| fields.0.pointer("/f:metadata/f:finalizers"));
        fields.manager.as_deref() == Some(managers::METADATA)
            && finalizers.is_some_and(|all| all.get(&entry).is_some())
    })
}

/// Whether a resource that has a service to delete names the Secret. Read without types: one that cannot be
/// decoded needs its token all the same.
async fn is_needed(client: &Client, namespace: &str, name: &str) -> Result<bool, ClusterError> {
    let kinds = [
        ApiResource::erase::<Valkey>(&()),
        ApiResource::erase::<Redis>(&()),
        ApiResource::erase::<ProjectVpc>(&()),
    ];
    for resource in &kinds {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
        let doing = || format!("listing {} in {namespace}", resource.plural);
        let parameters = ListParams::default();
        let objects = match bounded(doing, api.list(&parameters)).await {
            // A definition that is not installed has no objects.
            Err(error) if error.is_not_found() => continue,
            objects => objects?,
        };
        let needs = |object: &DynamicObject| {
            let named = object.data.pointer("/spec/authSecretRef/name").and_then(serde_json::Value::as_str);
            let held = names::has_finalizer(&object.metadata);
            let settled =
                object.metadata.annotations.as_ref().and_then(|all| all.get(names::SERVICE_SETTLED));
            held && named == Some(name) && (settled.is_none() || settled != object.metadata.uid.as_ref())
        };
        if objects.items.iter().any(needs) {
            return Ok(true);
        }
    }
    Ok(false)
}
