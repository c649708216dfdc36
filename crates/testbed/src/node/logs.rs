//! Requests of an API server to a kubelet: the log of a container. Served with a certificate of its own, which no API
//! server checks by default.

use std::io::SeekFrom;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as Segments, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::{ObjectRef, Store};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::machine::{Machine, Place};

/// Interval of reads of a followed log.
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    previous: bool,
    tail_lines: Option<usize>,
    limit_bytes: Option<u64>,
}

struct Logs {
    machine: Arc<Machine>,
    pods: Store<Pod>,
}

/// Answers until it is dropped.
pub(super) async fn serve(listener: Secured, machine: Arc<Machine>, pods: Store<Pod>) {
    let state = Arc::new(Logs { machine, pods });
    let router =
        Router::new().route("/containerLogs/{namespace}/{pod}/{container}", get(answer)).with_state(state);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::warn!(%error, "the kubelet does not serve logs any more");
    }
}

async fn answer(
    State(logs): State<Arc<Logs>>,
    Segments((namespace, pod, container)): Segments<(String, String, String)>,
    Query(wanted): Query<Wanted>,
) -> Response {
    // A node that vanished does not answer.
    logs.machine.link.wait().await;
    let missing = |text: String| (StatusCode::NOT_FOUND, text).into_response();
    let Some(found) = logs.pods.get(&ObjectRef::new(&pod).within(&namespace)) else {
        return missing(format!("pod \"{pod}\" not found on this node"));
    };
    let uid = found.metadata.uid.clone().unwrap_or_default();
    let folder = logs.machine.pod_folder(&uid).join("logs").join(&container);
    let mut runs = runs(&folder);
    if wanted.previous {
        runs.pop();
    }
    let Some(file) = runs.pop() else {
        let text = if wanted.previous { "previous terminated container" } else { "container" };
        return missing(format!("{text} \"{container}\" in pod \"{pod}\" not found"));
    };
    let place = Place { namespace, pod, uid, container };
    match read(&file, &wanted).await {
        Ok((bytes, end)) if wanted.follow => {
            Body::from_stream(follow(Arc::clone(&logs.machine), place, file, bytes, end)).into_response()
        }
        Ok((bytes, _)) => bytes.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The files of a container's runs, oldest first.
fn runs(folder: &Path) -> Vec<PathBuf> {
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u32>().ok();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut runs: Vec<(u32, PathBuf)> = entries.filter_map(|path| Some((number(&path)?, path))).collect();
    runs.sort();
    runs.into_iter().map(|(_, path)| path).collect()
}

async fn read(file: &Path, wanted: &Wanted) -> std::io::Result<(Vec<u8>, u64)> {
    let mut bytes = tokio::fs::read(file).await?;
    let end = bytes.len() as u64;
    if let Some(lines) = wanted.tail_lines {
        let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let start = if lines == 0 { bytes.len() } else { breaks.clone().nth(lines - 1).unwrap_or(0) };
        bytes.drain(..start);
    }
    if let Some(limit) = wanted.limit_bytes.and_then(|limit| usize::try_from(limit).ok()) {
        bytes.truncate(limit);
    }
    Ok((bytes, end))
}

/// The log as it grows, until the container has ended.
fn follow(
    machine: Arc<Machine>,
    place: Place,
    file: PathBuf,
    first: Vec<u8>,
    end: u64,
) -> impl stream::Stream<Item = std::io::Result<Bytes>> + Send {
    stream::unfold((Some(first), end), move |(first, at)| {
        let (machine, place, file) = (Arc::clone(&machine), place.clone(), file.clone());
        async move {
            if let Some(first) = first.filter(|first| !first.is_empty()) {
                return Some((Ok(Bytes::from(first)), (None, at)));
            }
            loop {
                let groups = machine.groups(&place.namespace, &place.pod);
                let running = groups.iter().any(|(container, _)| *container == place.container);
                match grown(&file, at).await {
                    Ok(bytes) if bytes.is_empty() && running => tokio::time::sleep(POLL).await,
                    Ok(bytes) if bytes.is_empty() => return None,
                    Ok(bytes) => {
                        let at = at + bytes.len() as u64;
                        return Some((Ok(Bytes::from(bytes)), (None, at)));
                    }
                    Err(error) => return Some((Err(error), (None, at))),
                }
            }
        }
    })
}

async fn grown(file: &Path, at: u64) -> std::io::Result<Vec<u8>> {
    let mut file = tokio::fs::File::open(file).await?;
    file.seek(SeekFrom::Start(at)).await?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// A listener that speaks TLS.
pub(super) struct Secured {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Secured {
    pub(super) fn new(listener: TcpListener, address: Ipv4Addr) -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec![address.to_string(), "localhost".to_owned()])
            .context("the kubelet's certificate")?;
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())?;
        Ok(Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

impl axum::serve::Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        const PATIENCE: Duration = Duration::from_secs(5);
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
            match tokio::time::timeout(PATIENCE, self.acceptor.accept(stream)).await {
                Ok(Ok(stream)) => return (stream, address),
                Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
                Err(_) => tracing::debug!("no TLS in time"),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
