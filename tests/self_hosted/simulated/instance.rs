//! One simulated instance: the pure manager, a server that does immediately what it is asked, and the verbs over mutual TLS.

use super::{Pods, address};
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::Api;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
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

pub(super) struct Instance {
    client: Client,
    namespace: &'static str,
    cluster: String,
    host: String,
    lease: KubernetesLease,
    manager: Mutex<Manager>,
    revision: Mutex<String>,
    access: Mutex<String>,
    /// The term whose writes its data has.
    written: Mutex<Term>,
    started: Instant,
    effects: mpsc::UnboundedSender<Effect>,
}

impl Instance {
    pub(super) async fn new(
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
            access: Mutex::default(),
            written: Mutex::default(),
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
        let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
        let data = api.get(&names::access(&self.cluster)).await.unwrap().data.unwrap();
        let access: Value = serde_json::from_slice(&data[names::ACCESS_KEY].0).unwrap();
        access["revision"].as_str().unwrap().clone_into(&mut self.access.lock().unwrap());
    }

    pub(super) async fn listener(&self, listener: TcpListener) -> TlsListener {
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

    pub(super) fn input(&self, input: Input) -> Result<(), valkeeper_failover::manager::Refusal> {
        let reaction = self.manager.lock().unwrap().on(&Timing::default(), self.started.elapsed(), input);
        for effect in reaction.effects {
            let _ = self.effects.send(effect);
        }
        reaction.refused.map_or(Ok(()), Err)
    }

    /// A server that does immediately what it is asked.
    pub(super) fn carry_out(self: Arc<Self>, effect: Effect) {
        match effect {
            Effect::Server { number, .. } => drop(self.input(Input::Confirmed(number))),
            Effect::WriteLease { request, version, term, holder, peers } => {
                tokio::spawn(async move {
                    let answer = self.lease.write(version, term, holder, peers).await;
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
            Effect::KickClients | Effect::StoreTerm(_) | Effect::AskPeers { .. } => {}
        }
    }

    fn status(&self) -> StatusAnswer {
        let manager = self.manager.lock().unwrap();
        let role = manager.role();
        let follows = matches!(role, Role::Replica(_));
        let position = Some(Position { term: *self.written.lock().unwrap(), offset: 1000 });
        let status = Status {
            identity: manager.identity().clone(),
            seen: manager.seen(),
            role,
            position,
            live: true,
            streaming: follows,
            synced: follows,
            restarted: manager.is_restarted(),
            leaving: false,
            stopping: false,
            misrouted: false,
            stored: manager.seen(),
            by_consent: manager.reigns_by_consent(),
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
        let access = self.access.lock().unwrap().clone();
        StatusAnswer { status, server: Some(server), settings, access, restore: None, tls: None }
    }

    /// Carries out a verb and answers when the instance is in a role, in which its data is of `term`.
    async fn obey(&self, verb: Input, term: Option<Term>) -> Response {
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
        if let (Role::Primary(_) | Role::Replica(_), Some(term)) = (self.manager.lock().unwrap().role(), term)
        {
            *self.written.lock().unwrap() = term;
        }
        Json(self.status()).into_response()
    }
}

type Shared = State<Arc<Instance>>;

pub(super) fn router(instance: Arc<Instance>) -> Router {
    let hold = async |State(instance): Shared, Json(TermRequest { term }): Json<TermRequest>| {
        instance.obey(Input::Hold { term }, None).await
    };
    let promote = async |State(instance): Shared, Json(request): Json<PromoteRequest>| {
        let PromoteRequest { term, version } = request;
        instance.obey(Input::Promote { term, version }, Some(term)).await
    };
    let follow = async |State(instance): Shared, Json(request): Json<FollowRequest>| {
        let FollowRequest { term, primary, .. } = request;
        instance.obey(Input::Follow { term, primary }, Some(term)).await
    };
    let kick = async |State(instance): Shared, Json(TermRequest { term }): Json<TermRequest>| {
        instance.obey(Input::Kick { term }, None).await
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

pub(super) struct TlsListener {
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
