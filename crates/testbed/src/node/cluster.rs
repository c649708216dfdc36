//! The view of the API for the controllers, and the loop of each: observe everything, correct deviations, wait for a
//! change. A failed reconciliation is retried soon.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{
    Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service, ServiceAccount,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::runtime::reflector::Store;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::sync::watch;

use super::kubelet::LEASES;
use super::options::Pace;
use super::view::{Views, changed};

/// How soon a controller observes again without a change.
const POLL: Duration = Duration::from_millis(250);

/// Everything the controllers read.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) pace: Pace,
    pub(super) accounts: Store<ServiceAccount>,
    pub(super) budgets: Store<PodDisruptionBudget>,
    pub(super) claims: Store<PersistentVolumeClaim>,
    pub(super) classes: Store<StorageClass>,
    pub(super) leases: Store<Lease>,
    pub(super) namespaces: Store<Namespace>,
    pub(super) nodes: Store<Node>,
    pub(super) pods: Store<Pod>,
    pub(super) services: Store<Service>,
    pub(super) slices: Store<EndpointSlice>,
    pub(super) volumes: Store<PersistentVolume>,
    views: Views,
}

impl Cluster {
    pub(super) async fn watch(client: Client, pace: Pace) -> anyhow::Result<Self> {
        let mut views = Views::new();
        let all = Config::default;
        Ok(Self {
            pace,
            accounts: views.watch(Api::all(client.clone()), all()).await?,
            budgets: views.watch(Api::all(client.clone()), all()).await?,
            claims: views.watch(Api::all(client.clone()), all()).await?,
            classes: views.watch(Api::all(client.clone()), all()).await?,
            leases: views.watch(Api::namespaced(client.clone(), LEASES), all()).await?,
            namespaces: views.watch(Api::all(client.clone()), all()).await?,
            nodes: views.watch(Api::all(client.clone()), all()).await?,
            pods: views.watch(Api::all(client.clone()), all()).await?,
            services: views.watch(Api::all(client.clone()), all()).await?,
            slices: views.watch(Api::all(client.clone()), all()).await?,
            volumes: views.watch(Api::all(client.clone()), all()).await?,
            client,
            views,
        })
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.views.changes()
    }
}

/// One controller.
pub(super) trait Controller: Send + 'static {
    /// What it is called in the log.
    const NAME: &'static str;

    /// Observes everything and corrects deviations.
    fn reconcile(&mut self, cluster: &Cluster) -> impl Future<Output = Result<(), kube::Error>> + Send;
}

/// Runs a controller until it is dropped.
pub(super) async fn run<C: Controller>(mut controller: C, cluster: Arc<Cluster>) {
    let mut changes = cluster.changes();
    loop {
        if let Err(error) = controller.reconcile(&cluster).await {
            // Another writer was faster, or the API is down: both are transient.
            tracing::debug!(controller = C::NAME, %error, "tried again");
        }
        changed(&mut changes, POLL).await;
    }
}

/// Ignores an error which means that an object is already as wanted or gone.
pub(super) fn ignore_races<T>(result: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => Ok(None),
        Err(error) => Err(error),
    }
}
