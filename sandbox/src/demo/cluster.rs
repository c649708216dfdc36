//! The Kubernetes API server of a run: the embedded one, or a real one on request. It serves the CRDs of the operator
//! before a caller gets it.

use super::nodes;
use super::options::Options;
use kube::Client;
use valkeeper_apiserver::{Content, KubeOptions, KubeServer};
use valkeeper_testbed::envtest::RealApiServer;

/// A running API server.
pub(crate) enum Cluster {
    Embedded(KubeServer),
    Real(Box<RealApiServer>),
}

impl Cluster {
    pub(crate) async fn start(options: &Options, content: Option<Content>) -> anyhow::Result<Self> {
        Ok(if let Some(folder) = &options.kube_assets {
            Self::Real(Box::new(RealApiServer::start(folder).await?))
        } else {
            let defaults = KubeOptions::default();
            let service_network = nodes::service_network(options).unwrap_or(defaults.service_network);
            let settings = KubeOptions { port: options.kube_port, content, service_network, ..defaults };
            Self::Embedded(KubeServer::start(settings).await?)
        })
    }

    /// Everything the embedded one holds.
    pub(crate) fn content(&self) -> Option<Content> {
        match self {
            Self::Embedded(server) => Some(server.content()),
            Self::Real(_) => None,
        }
    }

    /// The certificate of the real one; the embedded one has none.
    pub(crate) fn certificate(&self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Embedded(_) => Ok(None),
            Self::Real(server) => server.certificate().map(Some),
        }
    }

    pub(crate) fn kubeconfig(&self) -> String {
        match self {
            Self::Embedded(server) => server.kubeconfig(),
            Self::Real(server) => server.kubeconfig().to_owned(),
        }
    }

    pub(crate) async fn config(&self) -> anyhow::Result<kube::Config> {
        match self {
            Self::Embedded(server) => server.client_config(),
            Self::Real(server) => server.client_config().await,
        }
    }

    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::try_from(self.config().await?)?)
    }
}
