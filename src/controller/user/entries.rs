//! The Secret with the users of a cluster, which its servers read: one key for each user.
//!
//! Guarantees: a key is changed only if the Secret still is what the decision was made about, by its version; a Secret of
//! another owner is not touched; no key has a password, only hashes.

use super::{Reconciliation, observe::Seen};
use crate::{
    cluster::data_objects,
    controller::{
        error::{ReconcileError, Result},
        valkey_cluster::cluster_secret,
    },
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt as _;
use serde_json::json;
use std::collections::BTreeMap;
use valkeeper_cluster::{
    names,
    user::{Entry, username},
};
use valkeeper_instance::users::{UserEntry, file_name};

impl Reconciliation {
    /// Sets the key of the user, or removes it.
    pub(super) async fn write_entry(&self, seen: &Seen, entry: Option<Entry>) -> Result<()> {
        let key = file_name(&username(&self.object));
        let value = entry.map(|entry| self.value(entry)).transpose()?;
        let (client, name) = (&self.context.client, names::users(&self.object.spec.cluster_name));
        let Some(secret) = &seen.users else {
            let (Some(value), Some(cluster)) = (value, &seen.cluster) else { return Ok(()) };
            let data = BTreeMap::from([(key, value)]);
            let secret = cluster_secret((&cluster.name, cluster.owner()), &name, None, data);
            data_objects::create(client, &self.namespace, &secret).await?;
            return Ok(());
        };
        let metadata = json!({
            "uid": secret.metadata.uid, "resourceVersion": secret.metadata.resource_version,
        });
        let patch = json!({"metadata": metadata, "data": {key: value}});
        data_objects::patch::<Secret>(client, &self.namespace, &name, patch).await?;
        Ok(())
    }

    fn value(&self, entry: Entry) -> Result<ByteString> {
        let entry = UserEntry {
            resource: self.object.name_any(),
            uid: self.object.uid().unwrap_or_default(),
            revision: format!("{:08x}", rand::random::<u32>()),
            rules: entry.rules,
            passwords: entry.passwords,
        };
        serde_json::to_vec(&entry)
            .map(ByteString)
            .map_err(|error| ReconcileError::Defect(format!("the entry of a user is malformed: {error}")))
    }
}
