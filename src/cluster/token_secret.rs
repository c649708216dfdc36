//! Keeps a token Secret in place as long as a resource needs it to delete its service. Deleting a namespace deletes
//! its Secrets immediately, and without the token nothing else could be deleted. The finalizer has the name that
//! aiven-operator gave it. This program removes only finalizers that it added, since aiven-operator may still rely on
//! its own.

use super::{ClusterError, bounded, managers};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use secrecy::SecretString;
use serde_json::json;
use std::time::Duration;
use valkeeper_api::{ProjectVpc, Redis, ServiceUser, Valkey, names};
use valkeeper_engine::failure::Class;

/// How often another writer may get in between.
const ATTEMPTS: usize = 5;
/// The API server's name for the cause of a refusal in a namespace that is being deleted.
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
/// Longest wait for an answer that only makes a message better.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a read of a token Secret shows.
pub struct TokenRead {
    /// The value of the key; none when there is no such key or its value is not text.
    pub value: Option<SecretString>,
    /// The Secret carries the finalizer.
    pub held: bool,
}

/// Reads a token; `Ok(None)` when there is no such Secret.
pub async fn read_key(
    client: &Client,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Option<TokenRead>, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let doing = || format!("read Secret {namespace}/{name}");
    let Some(secret) = bounded(doing, api.get_opt(name)).await? else { return Ok(None) };
    let held = carries_finalizer(&secret);
    let value = secret.data.and_then(|mut data| data.remove(key));
    let value = value.and_then(|ByteString(bytes)| String::from_utf8(bytes).ok()).map(SecretString::from);
    Ok(Some(TokenRead { value, held }))
}

/// Whether a Secret can be created in the namespace: not while the namespace is being deleted. This is a dry run. If
/// the API server gives no clear answer, creation counts as possible.
pub async fn can_be_created(client: &Client, namespace: &str, name: &str) -> bool {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let secret = Secret { metadata, ..Secret::default() };
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let attempt = api.create(&parameters, &secret);
    let terminating = |error: &kube::Error| match error {
        kube::Error::Api(status) => {
            let mut causes = status.details.iter().flat_map(|details| &details.causes);
            causes.any(|cause| cause.reason == NAMESPACE_TERMINATING)
        }
        _ => false,
    };
    match tokio::time::timeout(PATIENCE, attempt).await {
        Ok(Err(error)) => !terminating(&error),
        _ => true,
    }
}

fn carries_finalizer(secret: &Secret) -> bool {
    secret.metadata.finalizers.iter().flatten().any(|one| one == names::TOKEN_FINALIZER)
}

/// Puts the finalizer on the Secret unless it is there; returns whether it is there now. A Secret that does
/// not exist, or is being deleted without the finalizer, cannot be held any more.
pub async fn hold(client: &Client, namespace: &str, name: &str) -> Result<bool, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let Some(secret) = read(&api, name).await? else { return Ok(false) };
    if carries_finalizer(&secret) {
        return Ok(true);
    }
    let mut finalizers = secret.metadata.finalizers.clone().unwrap_or_default();
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

/// Removes the finalizer from the Secret when no resource of the namespace needs the Secret. `shared` means that
/// resources without a Secret reference use it.
pub async fn release(client: &Client, namespace: &str, name: &str, shared: bool) -> Result<(), ClusterError> {
    let mut outcome = Ok(());
    for _ in 0..ATTEMPTS {
        outcome = try_to_release(client, namespace, name, shared).await;
        // The next read decides whether the Secret is gone: one wrong answer must not be final.
        let again = |error: &ClusterError| matches!(error.class(), Class::Conflict | Class::NotFound);
        if !outcome.as_ref().is_err_and(again) {
            break;
        }
    }
    outcome
}

async fn try_to_release(
    client: &Client,
    namespace: &str,
    name: &str,
    shared: bool,
) -> Result<(), ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let Some(secret) = read(&api, name).await? else { return Ok(()) };
    if !is_ours(&secret.metadata) || is_needed(client, namespace, name, shared).await? {
        return Ok(());
    }
    let mut finalizers = secret.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != names::TOKEN_FINALIZER);
    write(&api, name, &secret, &finalizers).await
}

/// Reads the Secret. A 404 is confirmed by a second read: a proxy that answers 404 once must not leave a finalizer
/// behind for good.
async fn read(api: &Api<Secret>, name: &str) -> Result<Option<Secret>, ClusterError> {
    let doing = || format!("read token Secret {name}");
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
    let doing = || format!("change the finalizers of token Secret {name}");
    bounded(doing, api.patch(name, &parameters, &patch)).await.map(drop)
}

/// Whether the managed fields attribute the finalizer to this program.
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

/// Whether a resource that has a service to delete uses the Secret. Read without types: one that cannot be
/// decoded needs its token all the same.
async fn is_needed(client: &Client, namespace: &str, name: &str, shared: bool) -> Result<bool, ClusterError> {
    let kinds = [
        ApiResource::erase::<Valkey>(&()),
        ApiResource::erase::<Redis>(&()),
        ApiResource::erase::<ProjectVpc>(&()),
        ApiResource::erase::<ServiceUser>(&()),
    ];
    for resource in &kinds {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
        let doing = || format!("list {} in {namespace}", resource.plural);
        let parameters = ListParams::default();
        let objects = match bounded(doing, api.list(&parameters)).await {
            // A definition that is not installed has no objects.
            Err(error) if error.is_not_found() => continue,
            objects => objects?,
        };
        if objects.items.iter().any(|object| needs(object, name, shared)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn needs(object: &DynamicObject, name: &str, shared: bool) -> bool {
    let metadata = &object.metadata;
    let annotation = |key| metadata.annotations.as_ref().and_then(|all| all.get(key));
    let uses = match object.data.pointer("/spec/authSecretRef/name").and_then(serde_json::Value::as_str) {
        Some(named) => named == name,
        None => {
            shared
                && annotation(names::TOKEN_SECRET).is_none_or(|noted| noted.split(',').any(|one| one == name))
        }
    };
    let settled = annotation(names::SERVICE_SETTLED);
    names::has_finalizer(metadata) && uses && (settled.is_none() || settled != metadata.uid.as_ref())
}
