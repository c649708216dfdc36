//! Somewhere to apply manifests: the sandbox's API server, a real one started from
//! `KUBEBUILDER_ASSETS`, or the cluster of `KUBECONFIG`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    runtime::{conditions, wait::await_condition},
};
use std::{path::Path, time::Duration};
use valkeeper_sandbox::{
    envtest::RealApiServer,
    kube::{KubeOptions, KubeServer},
};

/// Which kind of API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Sandbox,
    Real,
}

/// A running API server, or the address of one.
pub(crate) enum Cluster {
    Sandbox(KubeServer),
    Started(Box<RealApiServer>),
    Existing,
}

impl Cluster {
    /// Starts one with the resource definitions installed; `None` where there is none to start.
    pub(crate) async fn start(place: Place) -> Option<Self> {
        let cluster = match place {
            Place::Sandbox => Self::Sandbox(KubeServer::start(KubeOptions::default()).await.unwrap()),
            Place::Real => match (std::env::var("KUBEBUILDER_ASSETS"), std::env::var("KUBECONFIG")) {
                (Ok(assets), _) => {
                    Self::Started(Box::new(RealApiServer::start(Path::new(&assets)).await.unwrap()))
                }
                (_, Ok(_)) => Self::Existing,
                _ => {
                    skip("set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver");
                    return None;
                }
            },
        };
        install_definitions(&Client::try_from(cluster.config().await).unwrap()).await;
        Some(cluster)
    }

    /// For `kubectl`; `None` stands for what `KUBECONFIG` says.
    pub(crate) fn kubeconfig(&self) -> Option<String> {
        match self {
            Self::Sandbox(server) => Some(server.kubeconfig()),
            Self::Started(server) => Some(server.kubeconfig().to_owned()),
            Self::Existing => None,
        }
    }

    pub(crate) async fn config(&self) -> Config {
        match self {
            Self::Sandbox(server) => server.client_config().unwrap(),
            Self::Started(server) => server.client_config().await.unwrap(),
            Self::Existing => Config::infer().await.unwrap(),
        }
    }
}

/// Says that something was not tested, and what is missing; fails where `E2E_NO_SKIP` promises that
/// nothing is.
pub(crate) fn skip(missing: &str) {
    assert!(std::env::var_os("E2E_NO_SKIP").is_none(), "cannot be tested: {missing}");
    eprintln!("skipped: {missing}");
}

async fn install_definitions(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for text in [
        include_str!("../../crds/valkeys.yaml"),
        include_str!("../../crds/redis.yaml"),
        include_str!("../../crds/projectvpcs.yaml"),
    ] {
        let definition: CustomResourceDefinition = serde_yaml::from_str(text).unwrap();
        let name = definition.metadata.name.clone().unwrap();
        let parameters = PatchParams::apply("valkeeper-tests").force();
        api.patch(&name, &parameters, &Patch::Apply(&definition)).await.unwrap();
        let established = await_condition(api.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_secs(30), established).await.unwrap().unwrap();
    }
}
