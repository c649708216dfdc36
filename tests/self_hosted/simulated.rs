//! Instances without servers, so that one machine holds hundreds: each pod is played by a task with the pure manager.
//! The operator meets what kubelets and managers show: pods that run, statuses over mutual TLS, verbs, a Lease that its
//! holder renews. Data is left out: every instance is in sync with every other one, and clients find nobody.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use valkeeper_cluster::names;
use valkeeper_failover::manager::{Effect, Input, LeaseAnswer, Manager};
use valkeeper_failover::protocol::{Role, Status, Timing};
use valkeeper_failover::{Identity, Position, Term};
use valkeeper_instance::lease::{KubernetesLease, LeaseStore as _};
use valkeeper_instance::status::{
    FollowRequest, PromoteRequest, RefusalAnswer, ReloadAnswer, ServerStatus, SettingsStatus, StatusAnswer,
    TermRequest,
};

/// How long a container that ended takes to be started again.
const RESTART: Duration = Duration::from_secs(3);
/// How often managers compare their deadlines with the clock.
const TICK: Duration = Duration::from_millis(200);

/// The nodes of a cluster whose pods are simulated; ends them with itself.
pub(crate) struct SimulatedNodes {
    pods: Arc<Pods>,
    watching: JoinHandle<()>,
}

struct Pods {
    client: Client,
    namespace: &'static str,
    running: Mutex<BTreeMap<String, RunningPod>>,
}

struct RunningPod {
    name: String,
    boot: u64,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for RunningPod {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for SimulatedNodes {
    fn drop(&mut self) {
        self.watching.abort();
        self.pods.running.lock().unwrap().clear();
    }
}

impl SimulatedNodes {
    /// Plays every pod of the namespace.
    pub(crate) fn start(client: Client, namespace: &'static str) -> Self {
        let pods = Arc::new(Pods { client, namespace, running: Mutex::default() });
        let watching = tokio::spawn(watch(Arc::clone(&pods)));
        Self { pods, watching }
    }

    /// Ends the container of a pod, which is started again later.
    pub(crate) async fn kill(&self, pod: &str) {
        let found = {
            let mut running = self.pods.running.lock().unwrap();
            let uid = running.iter().find(|(_, one)| one.name == pod).map(|(uid, _)| uid.clone()).unwrap();
            (uid.clone(), running.remove(&uid).unwrap().boot)
        };
        let (uid, boot) = found;
        let ended = json!({"terminated": {"exitCode": 137, "reason": "Error"}});
        self.pods.show(pod, &ended, false, None).await;
        let (pods, name) = (Arc::clone(&self.pods), pod.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(RESTART).await;
            pods.run(name, uid, boot + 1).await;
        });
    }
}

async fn watch(pods: Arc<Pods>) {
    let api: Api<Pod> = Api::namespaced(pods.client.clone(), pods.namespace);
    let mut changes = watcher(api.clone(), watcher::Config::default()).applied_objects().boxed();
    while let Some(change) = changes.next().await {
        let Ok(pod) = change else { continue };
        let (name, uid) = (pod.name_any(), pod.uid().unwrap());
        if pod.metadata.deletion_timestamp.is_some() {
            pods.running.lock().unwrap().remove(&uid);
            let _ = api.delete(&name, &DeleteParams::default().grace_period(0)).await;
        } else if pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()).is_none() {
            tokio::spawn(Arc::clone(&pods).run(name, uid, 1));
        }
    }
}

impl Pods {
    /// Starts the container of a pod.
    async fn run(self: Arc<Self>, name: String, uid: String, boot: u64) {
        let listener = TcpListener::bind((address(&uid), names::CONTROL_PORT)).await.unwrap();
        let (instance, mut effects) = Instance::new(&self, &name, &uid, boot).await;
        let router = router(Arc::clone(&instance));
        let server = axum::serve(instance.listener(listener).await, router);
        let ticking = Arc::clone(&instance);
        let host = address(&uid).to_string();
        let tasks = vec![
            tokio::spawn(async move { server.await.unwrap() }),
            tokio::spawn(async move {
                while let Some(effect) = effects.recv().await {
                    Arc::clone(&instance).carry_out(effect);
                }
            }),
            tokio::spawn(async move {
                ticking.input(Input::Started).unwrap();
                loop {
                    ticking.input(Input::Tick).unwrap();
                    tokio::time::sleep(TICK).await;
                }
            }),
        ];
        self.running.lock().unwrap().insert(uid, RunningPod { name: name.clone(), boot, tasks });
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        self.show(&name, &running, true, Some(&host)).await;
    }

    /// What the kubelet reports.
    async fn show(&self, name: &str, state: &Value, ready: bool, address: Option<&str>) {
        let container = json!({
            "name": names::CONTAINER, "image": "simulated", "imageID": "simulated", "ready": ready,
            "restartCount": 0, "state": state,
        });
        let condition = if ready { "True" } else { "False" };
        let mut status = json!({
            "phase": "Running", "containerStatuses": [container],
            "conditions": [{"type": "Ready", "status": condition}],
        });
        if let Some(address) = address {
            status["podIP"] = address.into();
        }
        let api: Api<Pod> = Api::namespaced(self.client.clone(), self.namespace);
        let patch = Patch::Merge(json!({"status": status}));
        let _ = api.patch_status(name, &PatchParams::default(), &patch).await;
    }
}

/// A loopback address of the pod's own.
fn address(uid: &str) -> std::net::Ipv4Addr {
    let digits: String = uid.chars().filter(char::is_ascii_hexdigit).take(4).collect();
    let number = u16::from_str_radix(&digits, 16).unwrap();
    let [high, low] = number.to_be_bytes();
    std::net::Ipv4Addr::new(127, 90, high, low.max(1))
}

struct Instance {
    client: Client,
    namespace: &'static str,
    cluster: String,
    host: String,
    lease: KubernetesLease,
    manager: Mutex<Manager>,
    revision: Mutex<String>,
    started: Instant,
    effects: mpsc::UnboundedSender<Effect>,
}

impl Instance {
    async fn new(
        pods: &Pods,
        name: &str,
        uid: &str,
        boot: u64,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Effect>) {
        let cluster = name.rsplit_once('-').unwrap().0.to_owned();
        let identity = Identity { name: name.into(), pod: uid.into(), boot };
        let (client, namespace) = (pods.client.clone(), pods.namespace);
        let lease =
            KubernetesLease::new(client.clone(), namespace, &cluster, Timing::default().lease_duration);
        let (effects, receiver) = mpsc::unbounded_channel();
        let instance = Self {
            client,
            namespace,
            cluster,
            host: address(uid).to_string(),
            lease,
            manager: Mutex::new(Manager::boot(identity, Term(0))),
            revision: Mutex::default(),
            started: Instant::now(),
            effects,
        };
        instance.reload().await;
        (Arc::new(instance), receiver)
    }

    /// The settings are in force.
    async fn reload(&self) {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), self.namespace);
        let settings = api.get(&names::settings(&self.cluster)).await.unwrap().data.unwrap();
        let settings: Value = serde_json::from_str(settings.values().next().unwrap()).unwrap();
        settings["revision"].as_str().unwrap().clone_into(&mut self.revision.lock().unwrap());
    }

    async fn listener(&self, listener: TcpListener) -> TlsListener {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
        let data = api.get(&names::certificate(&self.cluster)).await.unwrap().data.unwrap();
        let chain = |key: &str| -> Vec<_> {
            CertificateDer::pem_slice_iter(&data[key].0).map(Result::unwrap).collect()
        };
        let mut roots = RootCertStore::empty();
        for certificate in chain("ca.crt") {
            roots.add(certificate).unwrap();
        }
        let key = PrivateKeyDer::from_pem_slice(&data["tls.key"].0).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain("tls.crt"), key)
            .unwrap();
        TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    fn input(&self, input: Input) -> Result<(), valkeeper_failover::manager::Refusal> {
        let reaction = self.manager.lock().unwrap().on(&Timing::default(), self.started.elapsed(), input);
        for effect in reaction.effects {
            let _ = self.effects.send(effect);
        }
        reaction.refused.map_or(Ok(()), Err)
    }

    /// A server that does at once what it is told.
    fn carry_out(self: Arc<Self>, effect: Effect) {
        match effect {
            Effect::Server { number, .. } => drop(self.input(Input::Confirmed(number))),
            Effect::WriteLease { request, version, term, holder } => {
                tokio::spawn(async move {
                    let answer = self.lease.write(version, term, holder).await;
                    let _ = self.input(Input::Lease { request, answer });
                });
            }
            Effect::ReadLease { request } => {
                tokio::spawn(async move {
                    let answer: LeaseAnswer = self.lease.read().await;
                    let _ = self.input(Input::Lease { request, answer });
                });
            }
            Effect::KillServer => {
                let _ = self.input(Input::Exited);
            }
            Effect::StartServer => drop(self.input(Input::Started)),
            Effect::KickClients | Effect::StoreTerm(_) => {}
        }
    }

    fn status(&self) -> StatusAnswer {
        let manager = self.manager.lock().unwrap();
        let role = manager.role();
        let follows = matches!(role, Role::Replica(_));
        // As far as the latest term that it knows of.
        let position = Some(Position { term: manager.seen(), offset: 1000 });
        let status = Status {
            identity: manager.identity().clone(),
            seen: manager.seen(),
            role,
            position,
            live: true,
            streaming: follows,
            synced: follows,
            leaving: false,
            stopping: false,
            misrouted: false,
        };
        let server = ServerStatus {
            host: self.host.clone(),
            port: names::SERVER_PORT,
            version: "8.1.0".to_owned(),
            offset: 1000,
            writes_succeed: true,
            ..ServerStatus::default()
        };
        let revision = self.revision.lock().unwrap().clone();
        let settings = SettingsStatus { revision, ..SettingsStatus::default() };
        StatusAnswer { status, server: Some(server), settings, restore: None, tls: None }
    }

    /// Carries out a verb and answers when the instance is in a role.
    async fn obey(&self, verb: Input) -> Response {
        if let Err(refused) = self.input(verb) {
            let answer = RefusalAnswer { refused: refused.into(), status: self.status() };
            return (axum::http::StatusCode::CONFLICT, Json(answer)).into_response();
        }
        for _ in 0..300 {
            if self.manager.lock().unwrap().role() != Role::Changing {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Json(self.status()).into_response()
    }
}

type Shared = State<Arc<Instance>>;

fn router(instance: Arc<Instance>) -> Router {
    let hold = async |State(instance): Shared, Json(TermRequest { term }): Json<TermRequest>| {
        instance.obey(Input::Hold { term }).await
    };
    let promote = async |State(instance): Shared, Json(request): Json<PromoteRequest>| {
        let PromoteRequest { term, version } = request;
        instance.obey(Input::Promote { term, version }).await
    };
    let follow = async |State(instance): Shared, Json(request): Json<FollowRequest>| {
        let FollowRequest { term, primary, .. } = request;
        instance.obey(Input::Follow { term, primary }).await
    };
    let kick = async |State(instance): Shared, Json(TermRequest { term }): Json<TermRequest>| {
        instance.obey(Input::Kick { term }).await
    };
    let reload = async |State(instance): Shared| {
        instance.reload().await;
        Json(ReloadAnswer::default())
    };
    Router::new()
        .route("/v1/status", get(async |State(instance): Shared| Json(instance.status())))
        .route("/v1/hold", post(hold))
        .route("/v1/promote", post(promote))
        .route("/v1/follow", post(follow))
        .route("/v1/kick", post(kick))
        .route("/v1/reload", post(reload))
        .with_state(instance)
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, peer)) = self.listener.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
