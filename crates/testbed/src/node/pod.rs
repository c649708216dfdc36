//! One pod on a node: its state, its folders, and reports to the API about it. The last reported status is the
//! current one. The workers run the containers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::dns;
use super::environment::Sources;
use super::machine::{Machine, Place};
use super::network::Wire;
use super::process::Namespace;
use super::resize::Granted;
use super::status::{Knowledge, Record, State, shows, status};
use super::volumes;

/// Pause before a write that failed is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// What a pod is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Run.
    Run,
    /// End before this moment.
    Stop(Instant),
}

/// A pod of this node.
pub(super) struct PodContext {
    pub(super) machine: Arc<Machine>,
    /// As the API last showed it.
    pub(super) pod: watch::Receiver<Arc<Pod>>,
    pub(super) address: Ipv4Addr,
    pub(super) uid: String,
    known: Mutex<Knowledge>,
    /// A change that was not reported yet.
    pub(super) changed: Notify,
    pub(super) token: Mutex<Option<String>>,
    wire: Mutex<Option<Wire>>,
}

impl PodContext {
    pub(super) fn new(machine: Arc<Machine>, pod: watch::Receiver<Arc<Pod>>, address: Ipv4Addr) -> Self {
        let present = Arc::clone(&pod.borrow());
        let spec = present.spec.clone().unwrap_or_default();
        let record = |container: &Container, init: bool| Record {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            init,
            sidecar: init && container.restart_policy.as_deref() == Some("Always"),
            state: State::waiting(
                if init || spec.init_containers.is_none() { "ContainerCreating" } else { "PodInitializing" },
                "",
            ),
            last: None,
            restarts: 0,
            started: false,
            ready: false,
        };
        let init = spec.init_containers.iter().flatten().map(|container| record(container, true));
        let containers = init.chain(spec.containers.iter().map(|container| record(container, false)));
        let known = Knowledge {
            containers: containers.collect(),
            started: Utc::now(),
            address: address.to_string(),
            host: machine.address.to_string(),
            mounted: false,
            over: false,
            granted: Granted::at_start(&spec),
        };
        let uid = present.uid().unwrap_or_default();
        let (changed, token) = (Notify::new(), Mutex::new(None));
        Self { machine, pod, address, uid, known: Mutex::new(known), changed, token, wire: Mutex::new(None) }
    }

    pub(super) fn present(&self) -> Arc<Pod> {
        Arc::clone(&self.pod.borrow())
    }

    pub(super) fn namespace(&self) -> String {
        self.present().namespace().unwrap_or_default()
    }

    pub(super) fn place(&self, container: &str) -> Place {
        let pod = self.present();
        Place {
            namespace: pod.namespace().unwrap_or_default(),
            pod: pod.name_any(),
            uid: self.uid.clone(),
            container: container.to_owned(),
        }
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.machine.pod_folder(&self.uid)
    }

    /// Connects the pod to the network, once.
    pub(super) async fn connect(&self) -> anyhow::Result<()> {
        if self.own_namespace().is_none() {
            let resolver = match self.machine.names {
                Some(server) => Some(dns::resolver(&self.folder(), &self.namespace(), server)?),
                None => None,
            };
            let network = self.machine.network;
            let wire = network.connect(&self.machine.guard, self.address, resolver.as_deref()).await?;
            self.machine.note_wire(&self.place(""), wire.as_ref().map(|wire| (self.address, wire.process())));
            *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = wire;
        }
        Ok(())
    }

    /// Takes the pod off the network.
    pub(super) fn disconnect(&self) {
        self.machine.note_wire(&self.place(""), None);
        drop(self.wire.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The namespaces of the pod, if it has some of its own.
    pub(super) fn own_namespace(&self) -> Option<Namespace> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Wire::namespace)
    }

    /// The file that a run of a container writes to.
    pub(super) fn log(&self, container: &str, run: u32) -> PathBuf {
        self.folder().join("logs").join(container).join(format!("{run}.log"))
    }

    pub(super) fn record(&self, name: &str) -> Option<Record> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.containers.iter().find(|record| record.name == name).cloned()
    }

    /// Changes the recorded state of a container.
    pub(super) fn note(&self, name: &str, change: impl FnOnce(&mut Record)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = known.containers.iter_mut().find(|record| record.name == name) {
            let before = record.clone();
            change(record);
            if *record != before {
                self.changed.notify_one();
            }
        }
    }

    /// Changes the resources that its containers have.
    pub(super) fn grant(&self, next: impl FnOnce(&Granted) -> Granted) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let granted = next(&known.granted);
        if granted != known.granted {
            known.granted = granted;
            self.changed.notify_one();
        }
    }

    /// The clock of the pod is right at first.
    pub(super) fn set_up_clock(&self) -> std::io::Result<()> {
        if self.machine.clocks.is_none() {
            return Ok(());
        }
        let file = self.machine.clock_file(&self.uid);
        std::fs::create_dir_all(self.folder())?;
        if file.exists() { Ok(()) } else { std::fs::write(file, "+0\n") }
    }

    pub(super) fn note_mounted(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).mounted = true;
        self.changed.notify_one();
    }

    /// No container of it is started any more.
    pub(super) fn note_over(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    }

    /// Calls with what references of this pod may lead to.
    pub(super) fn with_sources<T>(&self, call: impl FnOnce(&Sources<'_>) -> T) -> T {
        let (pod, namespace) = (self.present(), self.namespace());
        let secret = |name: &str| self.machine.secret(&namespace, name);
        let config_map = |name: &str| self.machine.config_map(&namespace, name);
        let (address, host) = (self.address.to_string(), self.machine.address.to_string());
        call(&Sources { pod: &pod, address: &address, host: &host, secret: &secret, config_map: &config_map })
    }

    /// Updates the folders of the volumes, or returns what is missing.
    pub(super) fn publish_volumes(&self) -> Result<(), String> {
        let (pod, namespace) = (self.present(), self.namespace());
        let claim = |name: &str| self.machine.claim_folder(&namespace, name);
        let token = || self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for volume in volumes::of(&pod) {
            let folder = volumes::folder(&self.folder(), &volume.name);
            let failed = |error: std::io::Error| format!("volume {}: {error}", volume.name);
            match self.with_sources(|sources| volumes::content(volume, sources, &claim, &token))? {
                volumes::Content::Folder => std::fs::create_dir_all(folder).map_err(failed)?,
                volumes::Content::Kept(path) => std::fs::create_dir_all(path).map_err(failed)?,
                volumes::Content::Files(files, mode) => {
                    volumes::publish(&folder, &files, mode).map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// The folders that stand in for the mount paths of a container.
    pub(super) fn mounts(&self, container: &Container) -> BTreeMap<String, String> {
        let (pod, namespace) = (self.present(), self.namespace());
        let folder_of = |name: &str| {
            let volume = volumes::of(&pod).iter().find(|volume| volume.name == name)?;
            let claim = volume.persistent_volume_claim.as_ref();
            if let Some(claim) = claim {
                return self.machine.claim_folder(&namespace, &claim.claim_name).ok();
            }
            let host = volume.host_path.as_ref().map(|path| PathBuf::from(&path.path));
            host.or_else(|| Some(volumes::folder(&self.folder(), name)))
        };
        let mounts = container.volume_mounts.iter().flatten().filter_map(|mount| {
            let folder = folder_of(&mount.name)?;
            let folder = mount.sub_path.as_ref().map_or(folder.clone(), |path| folder.join(path));
            Some((mount.mount_path.clone(), folder.display().to_string()))
        });
        mounts.collect()
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.machine.client.clone(), &self.namespace())
    }

    /// Whether the API shows the conditions that follow from the state.
    pub(super) fn is_shown_as_it_is(&self) -> bool {
        let pod = self.present();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        shows(&pod, &status(&pod, &known, Utc::now()))
    }

    /// Reports the state to the API, with retries; false if the pod was deleted there.
    pub(super) async fn publish(&self) -> bool {
        loop {
            let pod = self.present();
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let status = status(&pod, &known, Utc::now());
            let patch = Patch::Strategic(json!({"metadata": {"uid": self.uid}, "status": status}));
            match self.api().patch_status(&pod.name_any(), &PatchParams::default(), &patch).await {
                Ok(_) => return true,
                Err(kube::Error::Api(answer)) if [404, 409, 422].contains(&answer.code) => {
                    tracing::debug!(pod = pod.name_any(), %answer, "status not taken");
                    return false;
                }
                Err(error) => tracing::debug!(pod = pod.name_any(), %error, "cannot write status"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Confirms that the pod has ended: the API deletes it.
    pub(super) async fn confirm_end(&self) {
        let pod = self.present();
        let options = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions { uid: Some(self.uid.clone()), resource_version: None }),
            ..DeleteParams::default()
        };
        loop {
            match self.api().delete(&pod.name_any(), &options).await {
                Ok(_) => return,
                Err(kube::Error::Api(answer)) if [404, 409].contains(&answer.code) => return,
                Err(error) => tracing::debug!(pod = pod.name_any(), %error, "cannot delete"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}
