//! Somewhere to apply manifests: the sandbox's API server, a real one started from
//! `KUBEBUILDER_ASSETS`, or the cluster of `KUBECONFIG`.

#[path = "remains.rs"]
mod remains;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    runtime::{conditions, wait::await_condition},
};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_testbed::{envtest::RealApiServer, tools};

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
            Place::Real if tools::ENVTEST.find().is_none() && std::env::var_os("KUBECONFIG").is_some() => {
                Self::Existing
            }
            Place::Real => {
                let assets = tools::ENVTEST.or_skip()?;
                let idle = idle().pop();
                Self::Started(match idle {
                    Some(server) => Box::new(server),
                    None => Box::new(RealApiServer::start(&assets).await.unwrap()),
                })
            }
        };
        install_definitions(&Client::try_from(cluster.config().await).unwrap()).await;
        Some(cluster)
    }

    /// Leaves a real API server to the next test, without objects that tests search for. A test that fails does not.
    pub(crate) async fn leave(self) {
        if let Self::Started(server) = self {
            remains::remove(&Client::try_from(server.client_config().await.unwrap()).unwrap()).await;
            idle().push(*server);
        }
    }

    /// For `kubectl`; `None` stands for the value of `KUBECONFIG`.
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

/// Real API servers that no test uses at present: starting one takes seconds of both cores.
fn idle() -> std::sync::MutexGuard<'static, Vec<RealApiServer>> {
    static IDLE: Mutex<Vec<RealApiServer>> = Mutex::new(Vec::new());
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn install_definitions(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for text in [
        include_str!("../../crds/valkeys.yaml"),
        include_str!("../../crds/redis.yaml"),
        include_str!("../../crds/projectvpcs.yaml"),
        include_str!("../../crds/serviceusers.yaml"),
    ] {
        let definition: CustomResourceDefinition = serde_yaml::from_str(text).unwrap();
        let name = definition.metadata.name.clone().unwrap();
        let parameters = PatchParams::apply("valkeeper-tests").force();
        api.patch(&name, &parameters, &Patch::Apply(&definition)).await.unwrap();
        let established = await_condition(api.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_secs(30), established).await.unwrap().unwrap();
    }
}
