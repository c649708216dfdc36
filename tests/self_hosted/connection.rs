//! Secrets and addresses of a cluster, as its clients have them.

use crate::world::World;
use k8s_openapi::api::core::v1::{Secret, Service};
use std::collections::BTreeMap;
use valkeeper_testbed::history::Sentinel;

impl World {
    pub(crate) async fn secret(&self, name: &str) -> BTreeMap<String, String> {
        let secret = self.api::<Secret>().get(name).await.unwrap();
        let text =
            |(key, value): (String, k8s_openapi::ByteString)| (key, String::from_utf8(value.0).unwrap());
        secret.data.unwrap_or_default().into_iter().map(text).collect()
    }

    /// The same; none while there is none.
    pub(crate) async fn try_secret(&self, name: &str) -> Option<BTreeMap<String, String>> {
        self.api::<Secret>().get_opt(name).await.unwrap()?;
        Some(self.secret(name).await)
    }

    /// How clients reach the leader of a cluster, with what its connection Secret says about TLS.
    pub(crate) async fn leader(&self, cluster: &str) -> redis::ConnectionInfo {
        let secret = self.secret(cluster).await;
        let Some(authority) = secret.get("VALKEY_CA_CERT") else {
            return redis::IntoConnectionInfo::into_connection_info(self.url(cluster, "leader").await)
                .unwrap();
        };
        let part = |key: &str| &secret[&format!("VALKEY_{key}")];
        let url = format!("rediss://:{}@{}:{}/", part("PASSWORD"), part("HOST"), part("PORT"));
        let root_cert = Some(authority.clone().into_bytes());
        let client =
            redis::Client::build_with_tls(url, redis::TlsCertificates { client_tls: None, root_cert });
        client.unwrap().get_connection_info().clone()
    }

    /// The Sentinel that clients of a cluster ask for its primary, as its connection Secret says.
    pub(crate) async fn sentinel(&self, cluster: &str) -> Sentinel {
        let secret = self.secret(cluster).await;
        let part = |key: &str| secret[&format!("VALKEY_{key}")].clone();
        Sentinel {
            host: part("SENTINEL_HOST"),
            port: part("SENTINEL_PORT").parse().unwrap(),
            primary_name: part("PRIMARY_NAME"),
            password: part("PASSWORD"),
        }
    }

    /// The URL of a Service of the cluster, with the password from its connection Secret.
    pub(crate) async fn url(&self, cluster: &str, service: &str) -> String {
        let service = self.api::<Service>().get(&format!("{cluster}-{service}")).await.unwrap();
        let address = service.spec.unwrap().cluster_ip.unwrap();
        let password = self.secret(cluster).await["VALKEY_PASSWORD"].replace(' ', "%20");
        format!("redis://:{password}@{address}:6379/")
    }
}
