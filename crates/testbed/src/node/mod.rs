//! Nodes without a container engine: pods as processes of this machine, for any Kubernetes API.
//!
//! ```text
//! API server <── controllers: scheduler, volume binder, endpoints, budgets, node lifecycle, accounts
//!     ^
//!     └── link (can be cut) ── kubelet ── pods ── containers ── processes, guarded
//! ```
//!
//! In *plain mode* each pod has a loopback address of its own, `127.WORLD.NODE.POD`; in *isolated mode* a network
//! namespace with the address `10.64.NODE.POD`. Volumes are folders, and mount paths are replaced by them in
//! commands, arguments and variables. Guarantees that no process outlives
//! the nodes, and that two sets of nodes run side by side. Kubernetes objects that are there when nodes start
//! are taken over; it is left to callers to start an API server.

mod clocks;
mod cluster;
mod container;
mod control;
mod detour;
mod disk;
mod dns;
mod door;
mod environment;
mod faults;
mod fit;
mod images;
mod inject;
mod kubelet;
mod launch;
mod link;
mod logs;
mod machine;
mod names;
mod network;
mod obstacles;
mod options;
mod play;
mod pod;
mod probe;
mod process;
mod proxy;
mod relay;
mod resize;
mod restarts;
mod schedule;
mod services;
mod session;
mod slowness;
mod start;
mod status;
mod token;
mod view;
mod volumes;
mod worker;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;

use self::detour::Detours;
use self::dns::Names;
use self::door::Door;
pub use self::faults::{Lasting, NodeFault, PodName};
pub use self::images::{Image, Images};
use self::inject::Active;
use self::link::Link;
use self::machine::Machine;
use self::network::Network;
pub use self::options::NodeOptions;
pub use self::play::Company;
use self::process::{Group, Guard};
pub use self::schedule::{Event, NodeSchedule, Targets};
pub use self::services::service_network;

/// How pods are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By their addresses only: they see this machine's processes, files and network.
    Plain,
    /// Each in a network of its own, with wires that can be cut. They see this machine's processes and files.
    Isolated,
}

/// Running nodes. Dropping them kills the processes of all pods.
pub struct Nodes {
    // In this order: the tasks, then whatever processes are left, then their files.
    tasks: JoinSet<()>,
    active: Active,
    detours: Detours,
    machines: Vec<Arc<Machine>>,
    /// The way of the controllers to the API.
    control: Link,
    door: Option<Door>,
    images: Images,
    network: Network,
    place: [u8; 2],
    names: Names,
    /// Whether volumes have a size, and names are served.
    sized: bool,
    /// Whether pods have clocks of their own.
    clocks: bool,
    guard: Arc<Guard>,
    _folder: Option<TempDir>,
}

impl Nodes {
    /// How pods are kept apart.
    pub fn mode(&self) -> Mode {
        match self.network {
            Network::Loopback => Mode::Plain,
            Network::Bridge => Mode::Isolated,
        }
    }

    /// The names of the nodes.
    pub fn names(&self) -> Vec<String> {
        self.machines.iter().map(|machine| machine.name.clone()).collect()
    }

    /// The address of a node; those of its pods differ in the last part.
    pub fn address(&self, node: &str) -> Option<Ipv4Addr> {
        self.machine(node).map(|machine| machine.address)
    }

    /// The first half of all addresses here.
    pub fn network(&self) -> [u8; 2] {
        self.place
    }

    /// The processes of a pod's containers by name, whatever the state in the API.
    pub fn processes(&self, pod: &PodName) -> Vec<(String, u32)> {
        let groups = self.machines.iter().flat_map(|machine| machine.groups(&pod.namespace, &pod.name));
        groups.map(|(container, group)| (container, group.number())).collect()
    }

    /// A kubeconfig that leads to the API as pods see it, through the door that faults of the API shut; none
    /// without [`NodeOptions::kubeconfig`].
    pub fn kubeconfig(&self) -> Option<&str> {
        self.door.as_ref().map(|door| door.kubeconfig.as_str())
    }

    /// The address of the API in isolated mode. Clients at this address are cut off together with it.
    pub fn control_address(&self) -> Option<Ipv4Addr> {
        (self.mode() == Mode::Isolated).then_some(network::CONTROL)
    }

    fn machine(&self, name: &str) -> Option<&Arc<Machine>> {
        self.machines.iter().find(|machine| machine.name == name)
    }

    /// Ends all pods immediately, without reporting to the API, and waits until no process is left.
    pub async fn stop(mut self) {
        const LOOK: Duration = Duration::from_millis(5);
        let groups: Vec<Group> = self.machines.iter().flat_map(|machine| machine.all_groups()).collect();
        self.tasks.shutdown().await;
        while groups.iter().any(|group| group.exists()) {
            tokio::time::sleep(LOOK).await;
        }
    }
}
