//! What every namespace has for its pods: an account, and the certificate of the API server in a config map.

use std::collections::HashSet;

use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::PostParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::node::cluster::{Cluster, Controller, ignore_races};

/// The controller, and the certificate.
pub(crate) struct Accounts {
    pub(crate) certificate_authority: String,
    /// Namespaces whose config map is there. That it has an account says nothing: anyone may have created it.
    pub(crate) certified: HashSet<String>,
}

impl Controller for Accounts {
    const NAME: &'static str = "accounts";

    async fn reconcile(&mut self, cluster: &Cluster) -> Result<(), kube::Error> {
        for namespace in cluster.namespaces.state() {
            let name = namespace.name_any();
            if namespace.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let uid = namespace.uid().unwrap_or_default();
            if !self.certified.contains(&uid) {
                self.certify(cluster, &name).await?;
                self.certified.insert(uid);
            }
            if cluster.accounts.get(&ObjectRef::new("default").within(&name)).is_none() {
                let account: ServiceAccount =
                    serde_json::from_value(json!({"metadata": {"name": "default"}}))
                        .map_err(kube::Error::SerdeError)?;
                let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), &name);
                ignore_races(accounts.create(&PostParams::default(), &account).await)?;
            }
        }
        Ok(())
    }
}

impl Accounts {
    async fn certify(&self, cluster: &Cluster, namespace: &str) -> Result<(), kube::Error> {
        let map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": self.certificate_authority},
        }))
        .map_err(kube::Error::SerdeError)?;
        let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), namespace);
        ignore_races(maps.create(&PostParams::default(), &map).await).map(drop)
    }
}
