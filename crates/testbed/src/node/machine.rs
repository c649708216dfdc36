//! What the pods of one node share: its address, programs, time and view of the API. Guarantees that no two
//! pods of a node have the same address at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Secret, Service};
use kube::Client;
use kube::runtime::reflector::{ObjectRef, Store};

use super::clocks::Clocks;
use super::images::Images;
use super::link::Link;
use super::network::Network;
use super::options::Pace;
use super::process::{Group, Guard};

/// One node.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) zone: String,
    /// Where its kubelet listens; its pods have the addresses after it.
    pub(super) address: Ipv4Addr,
    pub(super) link: Link,
    /// Takes the link.
    pub(super) client: Client,
    pub(super) guard: Arc<Guard>,
    pub(super) network: Network,
    pub(super) images: Images,
    pub(super) environment: BTreeMap<String, String>,
    /// The name server of pods.
    pub(super) names: Option<Ipv4Addr>,
    /// What sets the clocks of pods.
    pub(super) clocks: Option<Clocks>,
    pub(super) folder: PathBuf,
    pub(super) pace: Pace,
    pub(super) http: reqwest::Client,
    pub(super) view: NodeView,
    pub(super) running: Mutex<BTreeMap<Place, Group>>,
    /// Addresses of pods with a network of their own, and the processes that hold it.
    pub(super) wires: Mutex<BTreeMap<Place, (Ipv4Addr, u32)>>,
    pub(super) addresses: Mutex<Addresses>,
}

/// What a kubelet reads besides pods.
pub(super) struct NodeView {
    pub(super) secrets: Store<Secret>,
    pub(super) config_maps: Store<ConfigMap>,
    pub(super) claims: Store<PersistentVolumeClaim>,
    pub(super) volumes: Store<PersistentVolume>,
    pub(super) services: Store<Service>,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) container: String,
}

/// The last parts of the addresses that pods have.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    used: BTreeSet<u8>,
    last: u8,
}

impl Addresses {
    /// One that was not in use for as long as possible.
    fn take(&mut self) -> Option<u8> {
        const FIRST: u8 = 2;
        let after = (self.last.max(FIRST - 1) + 1..=254).chain(FIRST..=self.last.max(FIRST));
        let free = after.into_iter().find(|number| !self.used.contains(number))?;
        self.used.insert(free);
        self.last = free;
        Some(free)
    }
}

impl Machine {
    /// An address for a pod; none if the node is full.
    pub(super) fn take_address(&self) -> Option<Ipv4Addr> {
        let part = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let [a, b, c, _] = self.address.octets();
        Some(Ipv4Addr::new(a, b, c, part))
    }

    pub(super) fn return_address(&self, address: Ipv4Addr) {
        let [.., part] = address.octets();
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).used.remove(&part);
    }

    pub(super) fn secret(&self, namespace: &str, name: &str) -> Option<Secret> {
        self.view.secrets.get(&ObjectRef::new(name).within(namespace)).map(|found| (*found).clone())
    }

    pub(super) fn config_map(&self, namespace: &str, name: &str) -> Option<ConfigMap> {
        self.view.config_maps.get(&ObjectRef::new(name).within(namespace)).map(|found| (*found).clone())
    }

    /// The folder of a claim, once it is bound.
    pub(super) fn claim_folder(&self, namespace: &str, name: &str) -> Result<PathBuf, String> {
        let claim = self.view.claims.get(&ObjectRef::new(name).within(namespace));
        let claim = claim.ok_or_else(|| format!("persistentvolumeclaim \"{name}\" not found"))?;
        let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
        let unbound = || format!("persistentvolumeclaim \"{name}\" is not bound");
        let volume =
            self.view.volumes.get(&ObjectRef::new(volume.ok_or_else(unbound)?)).ok_or_else(unbound)?;
        let path = volume.spec.as_ref().and_then(|spec| spec.host_path.as_ref());
        path.map(|path| PathBuf::from(&path.path)).ok_or_else(|| "its volume is no folder".to_owned())
    }

    /// The folder of a pod.
    pub(super) fn pod_folder(&self, uid: &str) -> PathBuf {
        self.folder.join("pods").join(uid)
    }

    /// All groups of containers.
    pub(super) fn all_groups(&self) -> Vec<Group> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect()
    }

    /// The groups of a pod's containers.
    pub(super) fn groups(&self, namespace: &str, pod: &str) -> Vec<(String, Group)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .iter()
            .filter(|(place, _)| place.namespace == namespace && place.pod == pod)
            .map(|(place, group)| (place.container.clone(), *group))
            .collect()
    }

    /// Address and holder of the network of a pod, if it has one of its own.
    pub(super) fn wire(&self, namespace: &str, pod: &str) -> Option<(Ipv4Addr, u32)> {
        let wires = self.wires.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = wires.iter();
        all.find(|(place, _)| place.namespace == namespace && place.pod == pod).map(|(_, wire)| *wire)
    }

    /// Addresses and holders of all networks.
    pub(super) fn all_wires(&self) -> Vec<(Ipv4Addr, u32)> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect()
    }

    /// A container of a pod that runs.
    pub(super) fn place(&self, namespace: &str, pod: &str) -> Option<Place> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.keys().find(|place| place.namespace == namespace && place.pod == pod).cloned()
    }

    /// The file that sets the clock of a pod.
    pub(super) fn clock_file(&self, uid: &str) -> PathBuf {
        self.pod_folder(uid).join("clock")
    }

    pub(super) fn note_wire(&self, place: &Place, wire: Option<(Ipv4Addr, u32)>) {
        let mut wires = self.wires.lock().unwrap_or_else(PoisonError::into_inner);
        match wire {
            Some(wire) => drop(wires.insert(place.clone(), wire)),
            None => drop(wires.remove(place)),
        }
    }

    pub(super) fn note_running(&self, place: &Place, group: Option<Group>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match group {
            Some(group) => drop(running.insert(place.clone(), group)),
            None => drop(running.remove(place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_reused_as_late_as_possible() {
        let mut addresses = Addresses::default();
        assert_eq!([addresses.take(), addresses.take()], [Some(2), Some(3)]);
        addresses.used.remove(&2);
        assert_eq!(addresses.take(), Some(4));
        for _ in 5..=254 {
            assert!(addresses.take().is_some());
        }
        assert_eq!([addresses.take(), addresses.take()], [Some(2), None]);
    }
}
