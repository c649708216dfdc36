//! Secrets and addresses of a cluster, as its clients have them.

use crate::world::World;
use k8s_openapi::api::core::v1::{Secret, Service};
use std::collections::BTreeMap;

impl World {
    pub(crate) async fn secret(&self, name: &str) -> BTreeMap<String, String> {
        let secret = self.api::<Secret>().get(name).await.unwrap();
        let text =
            |(key, value): (String, k8s_openapi::ByteString)| (key, String::from_utf8(value.0).unwrap());
        secret.data.unwrap_or_default().into_iter().map(text).collect()
    }

    /// The URL of a Service of the cluster, with the password from its connection Secret.
    pub(crate) async fn url(&self, cluster: &str, service: &str) -> String {
        let service = self.api::<Service>().get(&format!("{cluster}-{service}")).await.unwrap();
        let address = service.spec.unwrap().cluster_ip.unwrap();
        let password = self.secret(cluster).await["VALKEY_PASSWORD"].replace(' ', "%20");
        format!("redis://:{password}@{address}:6379/")
    }
}
