//! Secrets, always by name: reading a token, and looking at, creating and mending a connection Secret.
//! A Secret that is not controlled by the custom resource is never written to.

use super::{ClusterError, bounded, managers, secret_leftover::Leftover, version};
use crate::{
    api::service_facts::WrittenSecret,
    engine::{ConnectionSecret, connection::SecretContent},
};
use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a look at a connection Secret found, with what a later write needs.
#[derive(Debug, Default)]
pub struct Look {
    /// The finding.
    pub finding: ConnectionSecret,
    /// The version that was seen, as a number; 0 when there is none.
    pub version: u64,
    /// The version that a write is computed from.
    resource_version: Option<String>,
    /// Names that an earlier version of the content put there and this one does not have.
    leftover: Leftover,
    /// The keys it held.
    keys: Option<BTreeSet<String>>,
    /// What it holds of ours, if that is all it should hold.
    pub record: Option<WrittenSecret>,
}

/// What a write led to.
#[derive(Debug)]
pub struct Written {
    /// What to remember of it.
    pub record: WrittenSecret,
    /// The version of the Secret, as a number.
    pub version: u64,
}

/// The value under `key` of Secret `name`; `Ok(None)` when there is no such Secret, `Ok(Some(None))`
/// when it has no such key or the value is not text.
pub async fn read_key(
    client: &Client,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Option<Option<SecretString>>, ClusterError> {
    let Some(secret) = get(client, namespace, name).await? else { return Ok(None) };
    let value = secret.data.and_then(|mut data| data.remove(key));
    Ok(Some(value.and_then(|ByteString(bytes)| String::from_utf8(bytes).ok()).map(SecretString::from)))
}

/// Looks at the Secret that should hold `content` and be controlled by `owner`.
pub async fn look(
    client: &Client,
    namespace: &str,
    content: &SecretContent,
    owner: &OwnerReference,
) -> Result<Look, ClusterError> {
    let Some(secret) = get(client, namespace, &content.name).await? else {
        return Ok(Look { finding: ConnectionSecret::Absent, ..Look::default() });
    };
    let controller = secret
        .metadata
        .owner_references
        .iter()
        .flatten()
        .find(|reference| reference.controller == Some(true));
    let finding = match controller {
        Some(controller) if controller.uid == owner.uid => None,
        Some(controller) => Some(format!("belongs to {} {}", controller.kind, controller.name)),
        None => Some("was not written for this object".to_owned()),
    };
    if let Some(owner) = finding {
        let version = version(&secret);
        return Ok(Look { finding: ConnectionSecret::Foreign { owner }, version, ..Look::default() });
    }
    let keys = secret.data.iter().flatten().map(|(key, _)| key.clone()).collect();
    let content = content.clone().fitting(Some(&keys));
    let leftover = Leftover::of(&secret, &content);
    let current = leftover.is_empty() && holds(&secret, &content);
    Ok(Look {
        finding: ConnectionSecret::Ours { current, immutable: secret.immutable == Some(true) },
        version: version(&secret),
        resource_version: secret.metadata.resource_version,
        leftover,
        keys: Some(keys),
        record: current.then(|| content.record()),
    })
}

/// Creates the Secret when `seen` found none, and mends it when it is ours. Fails with a conflict when
/// the Secret has changed, or come into being, since it was seen.
pub async fn write(
    client: &Client,
    namespace: &str,
    content: &SecretContent,
    owner: &OwnerReference,
    seen: &Look,
) -> Result<Written, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let content = &content.clone().fitting(seen.keys.as_ref());
    let doing = || format!("writing Secret {namespace}/{}", content.name);
    let manager = Some(managers::SECRET.to_owned());
    let written = |secret: Secret| Written { record: content.record(), version: version(&secret) };
    let Some(seen_version) = &seen.resource_version else {
        let parameters = PostParams { field_manager: manager, ..PostParams::default() };
        return bounded(doing, api.create(&parameters, &secret(content, owner))).await.map(written);
    };
    let parameters = PatchParams { field_manager: manager, ..PatchParams::default() };
    let patch = Patch::Merge(mend(content, seen_version, &seen.leftover));
    bounded(doing, api.patch(&content.name, &parameters, &patch)).await.map(written)
}

async fn get(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    bounded(|| format!("reading Secret {namespace}/{name}"), api.get_opt(name)).await
}

fn secret(content: &SecretContent, owner: &OwnerReference) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(content.name.clone()),
            labels: Some(content.labels.clone()).filter(|labels| !labels.is_empty()),
            annotations: Some(content.annotations.clone()).filter(|annotations| !annotations.is_empty()),
            owner_references: Some(vec![owner.clone()]),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(bytes(content)),
        ..Secret::default()
    }
}

/// A merge patch that sets what is ours and removes what was.
fn mend(content: &SecretContent, version: &str, leftover: &Leftover) -> Value {
    let texts =
        |ours: &BTreeMap<String, String>, left: &BTreeSet<String>| -> BTreeMap<String, Option<String>> {
            let removed = left.iter().map(|key| (key.clone(), None));
            ours.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).chain(removed).collect()
        };
    let mut data: BTreeMap<String, Option<ByteString>> =
        bytes(content).into_iter().map(|(key, value)| (key, Some(value))).collect();
    data.extend(leftover.data.iter().map(|key| (key.clone(), None)));
    json!({
        "metadata": {
            "resourceVersion": version,
            "labels": texts(&content.labels, &leftover.labels),
            "annotations": texts(&content.annotations, &leftover.annotations),
        },
        "data": data,
    })
}

fn bytes(content: &SecretContent) -> BTreeMap<String, ByteString> {
    let value = |value: &SecretString| ByteString(value.expose_secret().as_bytes().to_vec());
    content.data.iter().map(|(key, text)| (key.clone(), value(text))).collect()
}

fn holds(secret: &Secret, content: &SecretContent) -> bool {
    let data = secret.data.clone().unwrap_or_default();
    let contains = |current: &Option<BTreeMap<String, String>>, ours: &BTreeMap<String, String>| {
        ours.iter().all(|(key, value)| current.as_ref().and_then(|map| map.get(key)) == Some(value))
    };
    bytes(content).iter().all(|(key, value)| data.get(key) == Some(value))
        && contains(&secret.metadata.labels, &content.labels)
        && contains(&secret.metadata.annotations, &content.annotations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(prefix: &str) -> SecretContent {
        let pair = |key: &str| (format!("{prefix}{key}"), SecretString::from("value"));
        SecretContent {
            name: "s".to_owned(),
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            annotations: BTreeMap::new(),
            data: [pair("HOST"), pair("PORT")].into(),
            bare: BTreeMap::new(),
            kept: BTreeSet::new(),
            written: None,
        }
    }

    #[test]
    fn labels_that_others_add_do_not_make_a_secret_outdated() {
        let content = content("V_");
        let owner = OwnerReference::default();
        let mut stored = secret(&content, &owner);
        stored.metadata.labels.get_or_insert_default().insert("theirs".to_owned(), "x".to_owned());
        assert!(holds(&stored, &content));
        stored.data.get_or_insert_default().insert("V_HOST".to_owned(), ByteString(b"edited".to_vec()));
        assert!(!holds(&stored, &content));
    }
}
