//! Starts nodes: addresses that are free, controllers, and for each node its kubelet, heartbeat and log
//! server. Guarantees that a world of addresses is used once at a time on this machine.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::runtime::reflector::Store;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use rand::RngExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Nodes;
use super::clocks::Clocks;
use super::cluster::{self, Cluster};
use super::control::accounts::Accounts;
use super::control::binder::Binder;
use super::control::budgets::Budgets;
use super::control::endpoints::Endpoints;
use super::control::lifecycle::Lifecycle;
use super::control::scheduler::Scheduler;
use super::detour::Detours;
use super::disk;
use super::dns::Names;
use super::door::Door;
use super::inject::Active;
use super::kubelet::{self, Kubelet, PORT};
use super::link::Link;
use super::logs::{self, Secured};
use super::machine::{Addresses, Machine, NodeView};
use super::network::{CONTROL, GATEWAY, Network};
use super::options::{NodeOptions, Pace};
use super::process::Guard;
use super::proxy::Proxy;
use super::view::Views;
use crate::tools;

/// The second parts of addresses to choose from. Those around them are left to people and to services.
const WORLDS: std::ops::RangeInclusive<u8> = 64..=190;
/// Letters of zones.
const ZONES: [&str; 3] = ["a", "b", "c"];

impl Nodes {
    /// Starts nodes for the API that `client` talks to, and waits until they are registered.
    pub async fn start(client: Client, mut options: NodeOptions) -> anyhow::Result<Self> {
        let kept = if options.folder.is_none() { Some(tempfile::tempdir()?) } else { None };
        let temporary = kept.as_ref().map(|folder| folder.path().to_owned());
        let folder = options.folder.clone().or(temporary).unwrap_or_default();
        let pace = Pace::new(options.speed);
        let guard = Arc::new(Guard::start()?);
        let http = http_client()?;
        let (network, half, listeners) = connect(&options).await?;
        let sized = options.isolated && disk::can_mount(&folder);
        let library = options.clocks.then(|| tools::FAKETIME.find()).flatten();
        let clocks = library.map(|library| Clocks::new(library, &folder)).transpose()?;
        let door = open_door(&options, half).await?;
        if let Some(door) = &door {
            let file = folder.join("kubeconfig");
            std::fs::create_dir_all(&folder)?;
            std::fs::write(&file, &door.kubeconfig)?;
            options.environment.insert("KUBECONFIG".to_owned(), file.display().to_string());
        }
        let mut tasks = JoinSet::new();
        let control = Link::new();
        let controller = Cluster::watch(control.client(client.clone()), pace).await;
        let cluster = Arc::new(controller.context("cannot watch the API")?);
        let certificate_authority = options.certificate_authority.clone().unwrap_or_default();
        let binder = Binder { folder: folder.join("volumes"), sized };
        start_controllers(&mut tasks, &cluster, binder, certificate_authority, network);
        let names = Names::default();
        if sized {
            names.serve(GATEWAY, &mut tasks).await.context("cannot serve names")?;
            tasks.spawn(cluster::run(names.clone(), Arc::clone(&cluster)));
        }
        let server = sized.then_some(GATEWAY);
        let mut machines = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let (folder, guard, http) = (&folder, &guard, &http);
            let clocks = clocks.clone();
            let plan = Plan { index, place: half, network, folder, guard, http, pace, clocks, server };
            let machine = plan.start(&client, &options, listener, &mut tasks).await?;
            machines.push(machine);
        }
        wait_until_ready(&cluster, &machines).await;
        Ok(Self {
            tasks,
            active: Active::default(),
            detours: Detours::default(),
            machines,
            control,
            door,
            images: options.images,
            network,
            place: half,
            sized,
            names,
            clocks: clocks.is_some(),
            guard,
            _folder: kept,
        })
    }
}

fn start_controllers(
    tasks: &mut JoinSet<()>,
    cluster: &Arc<Cluster>,
    binder: Binder,
    certificate_authority: String,
    network: Network,
) {
    tasks.spawn(cluster::run(
        Accounts { certificate_authority, certified: HashSet::new() },
        Arc::clone(cluster),
    ));
    tasks.spawn(cluster::run(Scheduler::default(), Arc::clone(cluster)));
    tasks.spawn(cluster::run(binder, Arc::clone(cluster)));
    tasks.spawn(cluster::run(Endpoints::default(), Arc::clone(cluster)));
    tasks.spawn(cluster::run(Budgets, Arc::clone(cluster)));
    tasks.spawn(cluster::run(Lifecycle::default(), Arc::clone(cluster)));
    tasks.spawn(cluster::run(Proxy { network, ports: HashMap::new() }, Arc::clone(cluster)));
}

async fn wait_until_ready(cluster: &Cluster, machines: &[Arc<Machine>]) {
    let mut changes = cluster.changes();
    loop {
        let nodes = cluster.nodes.state();
        let ready = |machine: &Arc<Machine>| {
            nodes
                .iter()
                .any(|node| node.metadata.name.as_deref() == Some(&machine.name) && kubelet::is_ready(node))
        };
        if machines.iter().all(ready) && !cluster.classes.is_empty() {
            return;
        }
        super::view::changed(&mut changes, std::time::Duration::from_millis(100)).await;
    }
}

fn http_client() -> anyhow::Result<reqwest::Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // Probes check no certificates.
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy();
    client.pool_max_idle_per_host(0).build().context("the client of probes")
}

/// The door that pods reach the API through.
async fn open_door(options: &NodeOptions, [first, second]: Half) -> anyhow::Result<Option<Door>> {
    let Some(kubeconfig) = &options.kubeconfig else { return Ok(None) };
    let address = if options.isolated { CONTROL } else { Ipv4Addr::new(first, second, 0, 2) };
    Door::open(address, kubeconfig).await.map(Some)
}

/// The first half of all addresses.
pub(super) type Half = [u8; 2];

async fn connect(options: &NodeOptions) -> anyhow::Result<(Network, Half, Vec<TcpListener>)> {
    if !options.isolated {
        let (world, listeners) = claim_world(options.count).await?;
        return Ok((Network::Loopback, [127, world], listeners));
    }
    let [first, second, ..] = GATEWAY.octets();
    let place = [first, second];
    let nodes: Vec<Ipv4Addr> = (1..=options.count).map(|node| address(place, node)).collect();
    let network = Network::bridge(&nodes)?;
    Ok((network, place, bind(place, options.count).await?))
}

/// The address of a node.
fn address([first, second]: Half, node: u8) -> Ipv4Addr {
    Ipv4Addr::new(first, second, node, 1)
}

/// Unused addresses: kubelets listen there from now on.
async fn claim_world(count: u8) -> anyhow::Result<(u8, Vec<TcpListener>)> {
    const ATTEMPTS: usize = 50;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let world = rand::rng().random_range(WORLDS);
        match bind([127, world], count).await {
            Ok(listeners) => return Ok((world, listeners)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow::anyhow!("no addresses"), anyhow::Error::new))
        .context("no loopback addresses are free (other systems than Linux have 127.0.0.1 only)")
}

async fn bind(place: Half, count: u8) -> std::io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for node in 1..=count {
        listeners.push(TcpListener::bind((address(place, node), PORT)).await?);
    }
    Ok(listeners)
}

/// A node to be.
struct Plan<'a> {
    index: usize,
    place: Half,
    network: Network,
    folder: &'a Path,
    guard: &'a Arc<Guard>,
    http: &'a reqwest::Client,
    pace: Pace,
    clocks: Option<Clocks>,
    server: Option<Ipv4Addr>,
}

impl Plan<'_> {
    async fn start(
        &self,
        client: &Client,
        options: &NodeOptions,
        listener: TcpListener,
        tasks: &mut JoinSet<()>,
    ) -> anyhow::Result<Arc<Machine>> {
        let number = u8::try_from(self.index + 1).unwrap_or(u8::MAX);
        let name = format!("node-{number}");
        let link = Link::new();
        let client = link.client(client.clone());
        let mut views = Views::new();
        let changes = views.changes();
        let own = Config::default().fields(&format!("spec.nodeName={name}"));
        let pods: Store<Pod> = views.watch(Api::all(client.clone()), own).await?;
        let itself = Config::default().fields(&format!("metadata.name={name}"));
        let nodes: Store<Node> = views.watch(Api::all(client.clone()), itself).await?;
        let view = node_view(&mut views, &client).await?;
        let machine = Arc::new(Machine {
            zone: ZONES[self.index % ZONES.len()].to_owned(),
            address: address(self.place, number),
            network: self.network,
            link,
            client,
            guard: Arc::clone(self.guard),
            images: options.images.clone(),
            environment: options.environment.clone(),
            names: self.server,
            clocks: self.clocks.clone(),
            folder: self.folder.join(&name),
            pace: self.pace,
            http: self.http.clone(),
            view,
            running: Mutex::new(BTreeMap::new()),
            wires: Mutex::new(BTreeMap::new()),
            addresses: Mutex::new(Addresses::default()),
            name,
        });
        tasks.spawn(kubelet::heartbeat(Arc::clone(&machine), nodes));
        let secured = Secured::new(listener, machine.address)?;
        tasks.spawn(logs::serve(secured, Arc::clone(&machine), pods.clone()));
        let kubelet = Kubelet::new(Arc::clone(&machine), pods, changes);
        tasks.spawn(run(kubelet, views));
        Ok(machine)
    }
}

async fn node_view(views: &mut Views, client: &Client) -> anyhow::Result<NodeView> {
    let all = Config::default;
    Ok(NodeView {
        secrets: views.watch(Api::all(client.clone()), all()).await?,
        config_maps: views.watch(Api::all(client.clone()), all()).await?,
        claims: views.watch(Api::all(client.clone()), all()).await?,
        volumes: views.watch(Api::all(client.clone()), all()).await?,
        services: views.watch(Api::all(client.clone()), all()).await?,
    })
}

/// Runs a kubelet together with the watches it reads.
async fn run(kubelet: Kubelet, views: Views) {
    kubelet.run().await;
    drop(views);
}
