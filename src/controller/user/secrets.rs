//! The Secrets of a user: the password that the operator generates, and the connection.
//!
//! Guarantees: a Secret of another owner is never written to; clients are given a password only if its hash is the newest that
//! servers accept.

use super::{
    Reconciliation,
    observe::{Seen, is_ours},
};
use crate::{
    cluster::{data_objects, events::Severity, status},
    controller::{
        error::Result,
        valkey_cluster::{cluster_secret, random_word},
    },
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::json;
use std::collections::BTreeMap;
use valkeeper_api::service_facts::Binding;
use valkeeper_cluster::{
    names::{ROTATE_PASSWORD, reason},
    user::{owner, password_source, rotation_request},
};
use valkeeper_engine::{connection, existing_secret};

impl Reconciliation {
    /// Creates the Secret with a password, or puts another one in it. It notes the request that it was generated for.
    pub(super) async fn generate_password(&self, seen: &Seen) -> Result<()> {
        let (name, key) = password_source(&self.object);
        let password = ByteString(random_word().into_bytes());
        let request = rotation_request(&self.object);
        let client = &self.context.client;
        match &seen.password {
            Some(secret) if is_ours(&self.object, secret) => {
                let metadata = json!({
                    "uid": secret.metadata.uid,
                    "resourceVersion": secret.metadata.resource_version,
                    "annotations": request.map(|request| json!({ROTATE_PASSWORD: request})),
                });
                let patch = json!({"metadata": metadata, "data": {key: password}});
                data_objects::patch::<Secret>(client, &self.namespace, &name, patch).await?;
            }
            Some(_) => {}
            None => {
                let cluster = (self.object.spec.cluster_name.as_str(), owner(&self.object));
                let note = request.map(|request| (ROTATE_PASSWORD, request.as_str()));
                let secret = cluster_secret(cluster, &name, note, BTreeMap::from([(key, password)]));
                data_objects::create(client, &self.namespace, &secret).await?;
            }
        }
        Ok(())
    }

    /// Writes the connection, as it was compared.
    pub(super) async fn write_secret(&mut self, seen: &Seen) -> Result<()> {
        let Some((target, connection)) = &seen.connection else { return Ok(()) };
        let content = connection::content(target, connection);
        let (client, owner) = (&self.context.client, owner(&self.object));
        let record = match &seen.connection_secret {
            None => {
                let (secret, record) = existing_secret::new(&content, &owner);
                let created = data_objects::create(client, &self.namespace, &secret).await?;
                if created.is_none() {
                    // Another one was quicker, and is compared by the next look.
                    return Ok(());
                }
                record
            }
            Some(found) => {
                let (patch, record) = existing_secret::repaired(found, &content, &owner);
                data_objects::patch::<Secret>(client, &self.namespace, &target.name, patch).await?;
                record
            }
        };
        let message = format!("Wrote the connection to Secret {}.", target.name);
        self.emit(Severity::Normal, reason::SECRET_WRITTEN, &message);
        let mut next = self.object.status.clone().unwrap_or_default();
        next.binding = target.binding.map(|_| Binding { name: record.name.clone() });
        next.connection_secret = Some(record);
        if let Some(object) = status::write_onto(&self.api, &self.object, &next).await? {
            self.object = object;
        }
        Ok(())
    }
}
