//! The first judge: an API server with our definitions installed, the sandbox's or a real one.

use std::any::Any;

use http::{Method, Request};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::PostParams;
use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, Client};
use serde_json::Value;
use valkeeper_api::Kind;
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_testbed::{envtest::RealApiServer, tools};

/// Which kind of API server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Sandbox,
    Real,
}

/// A running API server.
pub(crate) struct Server {
    client: Client,
    kubeconfig: String,
    // It ends when this is dropped.
    _running: Box<dyn Any + Send>,
}

impl Server {
    /// Starts one and installs the CRDs; none, with a message, when there is nothing to start.
    pub(crate) async fn start(place: Place) -> Option<Self> {
        let server = Self::bare(place).await?;
        for kind in Kind::ALL {
            server.install(serde_json::from_value(crate::definitions::definition(kind)).unwrap()).await;
        }
        Some(server)
    }

    /// Starts one without any definitions.
    pub(crate) async fn bare(place: Place) -> Option<Self> {
        let (config, kubeconfig, running): (_, _, Box<dyn Any + Send>) = match place {
            Place::Sandbox => {
                let server = KubeServer::start(KubeOptions::default()).await.unwrap();
                (server.client_config().unwrap(), server.kubeconfig(), Box::new(server))
            }
            Place::Real => {
                let assets = tools::ENVTEST.or_skip()?;
                // Another test may have installed it already.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let server = RealApiServer::start(&assets).await.unwrap();
                (server.client_config().await.unwrap(), server.kubeconfig().to_owned(), Box::new(server))
            }
        };
        Some(Self { client: Client::try_from(config).unwrap(), kubeconfig, _running: running })
    }

    /// What `kubectl` needs to reach it.
    pub(crate) fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Installs a definition, or replaces the installed one, and waits until it is served.
    pub(crate) async fn install(&self, definition: CustomResourceDefinition) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let name = definition.metadata.name.clone().unwrap();
        if let Some(installed) = api.get_opt(&name).await.unwrap() {
            let mut definition = definition;
            definition.metadata.resource_version = installed.metadata.resource_version;
            api.replace(&name, &PostParams::default(), &definition).await.unwrap();
            return;
        }
        api.create(&PostParams::default(), &definition).await.unwrap();
        await_condition(api, &name, conditions::is_crd_established()).await.unwrap();
    }

    /// What the server would answer to a new resource, without storing it.
    pub(crate) async fn judge(&self, kind: Kind, manifest: &Value) -> Result<Value, String> {
        self.send(Method::POST, kind, "?dryRun=All&", manifest).await
    }

    /// The same of a `ProjectVPC`.
    pub(crate) async fn judge_vpc(&self, manifest: &Value) -> Result<Value, String> {
        self.send_to(Method::POST, "projectvpcs", "?dryRun=All&", manifest).await
    }

    /// The same of a `ServiceUser`.
    pub(crate) async fn judge_user(&self, manifest: &Value) -> Result<Value, String> {
        self.send_to(Method::POST, "serviceusers", "?dryRun=All&", manifest).await
    }

    /// Stores a `ServiceUser`, or changes it if it is called `object`.
    pub(crate) async fn put_user(&self, object: Option<&str>, body: &Value) -> Result<Value, String> {
        let rest = object.map_or_else(|| "?".to_owned(), |object| format!("/{object}?"));
        let method = if object.is_some() { Method::PATCH } else { Method::POST };
        self.send_to(method, "serviceusers", &rest, body).await
    }

    /// The same of a `ValkeyCluster`.
    pub(crate) async fn judge_cluster(&self, manifest: &Value) -> Result<Value, String> {
        self.judge_own("valkeyclusters", manifest).await
    }

    /// The same of a kind that belongs to self-hosted clusters.
    pub(crate) async fn judge_own(&self, plural: &str, manifest: &Value) -> Result<Value, String> {
        self.send_in(Method::POST, "valkeeper.io", plural, "?dryRun=All&", manifest).await
    }

    /// Stores a `ValkeyCluster`, or changes it if it is called `object`.
    pub(crate) async fn put_cluster(&self, object: Option<&str>, body: &Value) -> Result<Value, String> {
        self.put_own("valkeyclusters", object, body).await
    }

    /// The same of a kind that belongs to self-hosted clusters.
    pub(crate) async fn put_own(
        &self,
        plural: &str,
        object: Option<&str>,
        body: &Value,
    ) -> Result<Value, String> {
        let rest = object.map_or_else(|| "?".to_owned(), |object| format!("/{object}?"));
        let method = if object.is_some() { Method::PATCH } else { Method::POST };
        self.send_in(method, "valkeeper.io", plural, &rest, body).await
    }

    /// Stores a new resource.
    pub(crate) async fn create(&self, kind: Kind, manifest: &Value) -> Result<Value, String> {
        self.send(Method::POST, kind, "?", manifest).await
    }

    /// Changes a stored resource, or a part of it such as `/status`, by a JSON merge patch.
    pub(crate) async fn patch(&self, kind: Kind, object: &str, change: &Value) -> Result<Value, String> {
        self.send(Method::PATCH, kind, &format!("/{object}?"), change).await
    }

    async fn send(&self, method: Method, kind: Kind, rest: &str, body: &Value) -> Result<Value, String> {
        self.send_to(method, kind.plural(), rest, body).await
    }

    async fn send_to(&self, method: Method, plural: &str, rest: &str, body: &Value) -> Result<Value, String> {
        self.send_in(method, "aiven.io", plural, rest, body).await
    }

    async fn send_in(
        &self,
        method: Method,
        group: &str,
        plural: &str,
        rest: &str,
        body: &Value,
    ) -> Result<Value, String> {
        let url = format!("/apis/{group}/v1alpha1/namespaces/default/{plural}{rest}fieldValidation=Strict");
        let content =
            if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(url).header("Content-Type", content);
        let request = request.body(serde_json::to_vec(body).unwrap()).unwrap();
        match self.client.request::<Value>(request).await {
            Ok(object) => Ok(object),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => panic!("{error}"),
        }
    }
}
