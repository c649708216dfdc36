//! Addresses of services: each port of a service whose cluster IP this machine can have (in plain mode a
//! loopback address) leads to one of its
//! ready endpoints, chosen for each connection. A connection stays where it is when the endpoints change,
//! as with kube-proxy. Cluster IPs of other networks lead nowhere.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use rand::seq::IndexedRandom as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::cluster::{Cluster, Controller};
use super::network::Network;

/// How long a connection to an endpoint may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where connections may go now.
type Targets = Arc<Mutex<Vec<SocketAddr>>>;

/// The listeners by address and port.
pub(super) struct Proxy {
    pub(super) network: Network,
    pub(super) ports: HashMap<SocketAddr, (Targets, JoinSet<()>)>,
}

impl Controller for Proxy {
    const NAME: &'static str = "proxy";

    async fn reconcile(&mut self, cluster: &Cluster) -> Result<(), kube::Error> {
        let slices = cluster.slices.state();
        let mut wanted = HashMap::new();
        for service in cluster.services.state() {
            let spec = service.spec.clone().unwrap_or_default();
            let address = spec.cluster_ip.and_then(|address| address.parse::<IpAddr>().ok());
            let Some(address) = address.filter(|address| self.is_served(*address)) else { continue };
            for port in spec.ports.iter().flatten() {
                let Ok(number) = u16::try_from(port.port) else { continue };
                let name = port.name.as_deref().unwrap_or_default();
                let own = slices.iter().filter(|slice| {
                    slice.namespace() == service.namespace()
                        && slice.labels().get("kubernetes.io/service-name") == Some(&service.name_any())
                });
                let targets: Vec<SocketAddr> = own.flat_map(|slice| targets(slice, name)).collect();
                wanted.insert(SocketAddr::new(address, number), targets);
            }
        }
        self.ports.retain(|address, _| wanted.contains_key(address));
        for (address, targets) in wanted {
            self.serve(address, targets).await;
        }
        Ok(())
    }
}

fn targets(slice: &EndpointSlice, port: &str) -> Vec<SocketAddr> {
    let mut ports = slice.ports.iter().flatten();
    let port = ports.find(|found| found.name.as_deref().unwrap_or_default() == port);
    let Some(port) = port.and_then(|port| u16::try_from(port.port?).ok()) else { return Vec::new() };
    let ready = slice.endpoints.iter().flatten().filter(|endpoint| {
        endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
    });
    ready
        .flat_map(|endpoint| &endpoint.addresses)
        .filter_map(|address| address.parse().ok())
        .map(|address| SocketAddr::new(address, port))
        .collect()
}

impl Proxy {
    /// Whether connections to an address can arrive here.
    fn is_served(&self, address: IpAddr) -> bool {
        self.ports.keys().any(|known| known.ip() == address) || self.network.adopt(address)
    }

    async fn serve(&mut self, address: SocketAddr, targets: Vec<SocketAddr>) {
        if let Some((known, _)) = self.ports.get(&address) {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = targets;
            return;
        }
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let targets = Arc::new(Mutex::new(targets));
                let mut task = JoinSet::new();
                task.spawn(listen(listener, Arc::clone(&targets)));
                self.ports.insert(address, (targets, task));
            }
            Err(error) => tracing::debug!(%address, %error, "the address of a service cannot be served"),
        }
    }
}

async fn listen(listener: TcpListener, targets: Targets) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((client, _)) = accepted else { continue };
        let target = {
            let targets = targets.lock().unwrap_or_else(PoisonError::into_inner);
            targets.choose(&mut rand::rng()).copied()
        };
        // Without an endpoint the connection is refused, as far as that is possible after it was accepted.
        let Some(target) = target else { continue };
        connections.spawn(forward(client, target));
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr) {
    let Ok(Ok(mut server)) = tokio::time::timeout(PATIENCE, TcpStream::connect(target)).await else { return };
    for stream in [&client, &server] {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::trace!(%error, "cannot set TCP_NODELAY");
        }
    }
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut server).await {
        tracing::trace!(%error, "connection through a service ended");
    }
}
