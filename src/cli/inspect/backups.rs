//! `valkeeper backups`: the backups of a managed service, as its status lists them, or of a self-hosted cluster, which are
//! `ValkeyBackup` resources. Asks Kubernetes only, never Aiven.

mod lines;

use self::lines::{List, of_cluster, of_service};
use super::kinds::is_cluster_kind;
use super::session::{Connection, Output, Session};
use anyhow::{Context as _, bail};
use clap::Args;
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
};
use serde::de::DeserializeOwned;
use std::process::ExitCode;
use valkeeper_api::{Kind, ValkeyBackup, ValkeyCluster, ValkeyScheduledBackup};

/// The flags of `valkeeper backups`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  listed, also when there are none
  1  the resource does not exist or cannot be read
  2  wrong usage

Examples:
  kubectl valkeeper backups my-valkey
  kubectl valkeeper backups valkeycluster/my-cluster -o json")]
pub(in crate::cli) struct Backups {
    /// A resource: NAME, valkey/NAME, redis/NAME or valkeycluster/NAME
    #[arg(value_name = "NAME")]
    name: String,

    /// Output format
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,

    #[command(flatten)]
    connection: Connection,
}

impl Backups {
    pub(in crate::cli) async fn run(self) -> anyhow::Result<ExitCode> {
        let session = self.connection.open().await?;
        let list = session.backups(&self.name).await?;
        self.output.write(&list.text(), &list)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Session {
    async fn backups(&self, name: &str) -> anyhow::Result<List> {
        if let Some((kind, cluster)) = name.split_once('/') {
            if !is_cluster_kind(kind) {
                return Ok(of_service(&self.named(name).await?));
            }
            return self.backups_of_cluster(cluster).await?.with_context(|| {
                format!("namespace {} has no ValkeyCluster {cluster} and no backup of it", self.namespace)
            });
        }
        // Some users may read one of the two worlds only.
        match (self.only(&Kind::ALL, name).await, self.backups_of_cluster(name).await) {
            (Ok(Some(resource)), Ok(Some(_))) => {
                let kind = resource.kind.name();
                let word = kind.to_lowercase();
                bail!(
                    "there is a {kind} and a ValkeyCluster {name}: write {word}/{name} or valkeycluster/{name}"
                )
            }
            (Ok(Some(resource)), _) => Ok(of_service(&resource)),
            (_, Ok(Some(list))) => Ok(list),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(None), Ok(None)) => {
                bail!("namespace {} has no Valkey, Redis or ValkeyCluster {name}", self.namespace)
            }
        }
    }

    /// The backups of a cluster, which may have been deleted since; none where neither exists.
    async fn backups_of_cluster(&self, name: &str) -> anyhow::Result<Option<List>> {
        let resource = ApiResource::erase::<ValkeyCluster>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let doing = || format!("read ValkeyCluster {}/{name}", self.namespace);
        let exists = match crate::cluster::bounded(doing, api.get_metadata_opt(name)).await {
            Ok(found) => found.is_some(),
            // The kind is not defined.
            Err(error) if error.is_not_found() => false,
            Err(error) => return Err(error.into()),
        };
        let mut backups: Vec<ValkeyBackup> = self.typed(&ApiResource::erase::<ValkeyBackup>(&())).await?;
        backups.retain(|backup| backup.spec.cluster_name == name);
        if !exists && backups.is_empty() {
            return Ok(None);
        }
        let schedules: Vec<ValkeyScheduledBackup> =
            self.typed(&ApiResource::erase::<ValkeyScheduledBackup>(&())).await?;
        Ok(Some(of_cluster(&self.namespace, name, &backups, &schedules, chrono::Utc::now())))
    }

    /// All objects of a kind in the namespace.
    async fn typed<K: DeserializeOwned>(&self, of: &ApiResource) -> anyhow::Result<Vec<K>> {
        let objects = self.list(of, false).await?;
        let cannot = || format!("cannot read a {}", of.kind);
        objects
            .iter()
            .map(|object| serde_json::from_value(serde_json::to_value(object)?).with_context(cannot))
            .collect()
    }
}
