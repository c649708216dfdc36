//! A bucket in a server that speaks S3, and the Secret to it.

use crate::asking::until;
use crate::world::World;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use serde_json::{Value, json};
use std::net::SocketAddr;
use valkeeper_api::ValkeyBackup;
use valkeeper_backup::{Credentials, Destination, S3, Store};
use valkeeper_testbed::s3::{KEY, S3Server};
use valkeeper_testbed::tools;

const BUCKET: &str = "backups";

/// Asks for a backup of the cluster `trio`.
pub(crate) async fn create_backup(world: &World, name: &str, mut spec: Value) {
    spec["clusterName"] = "trio".into();
    let body = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyBackup", "metadata": {"name": name}, "spec": spec,
    });
    let backup: ValkeyBackup = serde_json::from_value(body).unwrap();
    world.api::<ValkeyBackup>().create(&PostParams::default(), &backup).await.unwrap();
}

/// Waits until the backup of this name is gone.
pub(crate) async fn until_deleted(world: &World, name: &str) {
    until("the resource is gone", async || {
        world.api::<ValkeyBackup>().get_opt(name).await.unwrap().is_none().then_some(())
    })
    .await;
}

/// A bucket, and the Secret to it.
pub(crate) struct Bucket {
    server: S3Server,
}

impl Bucket {
    pub(crate) async fn start(world: &World) -> Option<Self> {
        let server = S3Server::start(&tools::S3_SERVER.or_skip()?, BUCKET).await.unwrap();
        let bucket = Self { server };
        bucket.create_secret(world).await;
        Some(bucket)
    }

    pub(crate) async fn create_secret(&self, world: &World) {
        let body = json!({
            "metadata": {"name": "s3"},
            "stringData": {"AWS_ACCESS_KEY_ID": KEY.0, "AWS_SECRET_ACCESS_KEY": KEY.1},
        });
        let secret: Secret = serde_json::from_value(body).unwrap();
        world.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(crate) fn destination(&self) -> Value {
        json!({"s3": {
            "bucket": BUCKET, "prefix": "team", "endpoint": self.endpoint(), "pathStyle": true,
            "credentialsSecretName": "s3",
        }})
    }

    /// The same, for the pods of the cluster alone.
    pub(crate) fn for_pods(&self) -> Value {
        let mut destination = self.destination();
        let s3 = destination["s3"].as_object_mut().unwrap();
        s3.remove("credentialsSecretName");
        s3.insert("workloadIdentity".to_owned(), true.into());
        destination
    }

    /// The same, where everything is encrypted with the key of this Secret.
    pub(crate) fn encrypted(&self, secret: &str) -> Value {
        let mut destination = self.destination();
        destination["encryption"] = json!({"secretName": secret});
        destination
    }

    /// As a person reads it, with nothing but the bucket.
    pub(crate) fn store(&self) -> Store {
        let s3 = S3 {
            bucket: BUCKET.to_owned(),
            prefix: "team".to_owned(),
            endpoint: Some(self.endpoint()),
            path_style: true,
            ..S3::default()
        };
        Store::open(&Destination::S3(s3), Some(&Credentials::of_s3(KEY.0, KEY.1))).unwrap()
    }

    pub(crate) async fn back_up(&self, world: &World, name: &str, more: Value) {
        let mut spec = json!({"destination": self.destination()});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        create_backup(world, name, spec).await;
    }

    /// Keys of uploads in parts that were begun and not ended, as the server lists them.
    pub(crate) async fn uploads(&self) -> Vec<String> {
        self.server.uploads(BUCKET).await.unwrap()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        self.store().list("").await.unwrap().into_iter().map(|listed| listed.key).collect()
    }
}
