//! A real API server with a Helm that installs on it. There are no nodes, so that no pod ever runs.

use crate::helm::Helm;
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use valkeeper_api::Valkey;
use valkeeper_testbed::{envtest::RealApiServer, tools};

/// An API server, and a Helm to install charts on it.
pub(crate) struct Cluster {
    server: RealApiServer,
    pub(crate) client: Client,
    helm: Helm,
}

impl Cluster {
    /// `None`, with a message about what is missing.
    pub(crate) async fn start() -> Option<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let helm = Helm::find()?;
        let assets = tools::ENVTEST.or_skip()?;
        let server = RealApiServer::start(&assets).await.unwrap();
        let client = Client::try_from(server.client_config().await.unwrap()).unwrap();
        Some(Self { server, client, helm })
    }

    pub(crate) fn helm(&self, line: &str) -> String {
        self.helm.run(Some(&self.server.kubeconfig_path()), line)
    }

    pub(crate) fn kubeconfig_path(&self) -> PathBuf {
        self.server.kubeconfig_path()
    }

    /// The path of the program.
    pub(crate) fn helm_program(&self) -> &Path {
        self.helm.program()
    }

    /// The message of Helm when it refuses.
    pub(crate) fn refused(&self, line: &str) -> String {
        self.helm.try_run(Some(&self.server.kubeconfig_path()), line).unwrap_err()
    }

    pub(crate) fn definitions(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    /// Definitions of kinds that the chart uses and that are not ours: anything goes.
    pub(crate) async fn define(&self, group: &str, kind: &str, plural: &str) {
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                    {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
        let definition = serde_json::from_value(definition).unwrap();
        self.definitions().create(&PostParams::default(), &definition).await.unwrap();
        self.until_served(&format!("{plural}.{group}")).await;
    }

    pub(crate) async fn until_served(&self, name: &str) {
        use kube::runtime::{conditions, wait::await_condition};
        let served = await_condition(self.definitions(), name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_secs(30), served).await.unwrap().unwrap();
    }

    pub(crate) async fn create_valkey(
        &self,
        namespace: &str,
        name: &str,
        project: &str,
    ) -> Result<Valkey, kube::Error> {
        let body = json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": {"name": name},
            "spec": {"project": project, "plan": "startup-4"}});
        let valkeys: Api<Valkey> = Api::namespaced(self.client.clone(), namespace);
        valkeys.create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await
    }

    pub(crate) async fn create_namespace(&self, name: &str, annotations: Value) {
        let body = json!({"metadata": {"name": name, "annotations": annotations}});
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap();
    }
}
