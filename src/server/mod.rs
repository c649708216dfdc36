//! The endpoints of the operator: `/livez`, `/readyz` and the log level on one address, `/metrics` on another one,
//! optionally with a token and TLS. Requests change nothing but the log level, and that only from this machine
//! itself.

mod access;
pub mod health;
mod tls;

use crate::telemetry::{logs::LogLevel, metrics};
use access::Bearer;
use axum::{
    Router,
    extract::{ConnectInfo, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use health::Health;
use metrics::Metrics;
use std::{io, net::SocketAddr, path::PathBuf};
use tls::TlsListener;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where to listen, and who may read.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// For probes; nothing listens when it is none.
    pub health: Option<String>,
    /// For metrics; nothing listens when it is none.
    pub metrics: Option<String>,
    /// Certificate chain and private key for metrics, as PEM files that are read again for every connection.
    pub metrics_tls: Option<(PathBuf, PathBuf)>,
    /// File with the token that clients of metrics present, read again for every request.
    pub metrics_token: Option<PathBuf>,
}

/// What is served.
#[derive(Clone)]
pub struct Served {
    /// The state behind the probes.
    pub health: Health,
    /// The metrics.
    pub metrics: Metrics,
    /// The log level, to be changed.
    pub log_level: LogLevel,
}

/// Bound sockets that serve nothing yet.
pub struct Listeners {
    health: Option<TcpListener>,
    metrics: Option<TcpListener>,
    tls: Option<(PathBuf, PathBuf)>,
    bearer: Bearer,
}

impl Listeners {
    /// Binds the sockets, so that an address in use ends the program before it does anything.
    pub async fn bind(addresses: Addresses) -> io::Result<Self> {
        if let Some((certificate, key)) = &addresses.metrics_tls {
            tls::acceptor(certificate, key)?;
        }
        Ok(Self {
            health: bind(addresses.health).await?,
            metrics: bind(addresses.metrics).await?,
            tls: addresses.metrics_tls,
            bearer: Bearer(addresses.metrics_token),
        })
    }

    /// Where probes are answered.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref()?.local_addr().ok()
    }

    /// Where metrics are read.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }

    /// Serves until `stop`.
    pub async fn serve(self, served: Served, stop: CancellationToken) {
        let probes = async {
            let Some(listener) = self.health else { return };
            let application = probes(served.clone()).into_make_service_with_connect_info::<SocketAddr>();
            report(
                axum::serve(listener, application)
                    .with_graceful_shutdown(stop.clone().cancelled_owned())
                    .await,
            );
        };
        let reading = async {
            let Some(listener) = self.metrics else { return };
            let application = reading(served.metrics.clone(), self.bearer);
            let stopped = stop.clone().cancelled_owned();
            match self.tls {
                None => report(axum::serve(listener, application).with_graceful_shutdown(stopped).await),
                Some((certificate, key)) => match TlsListener::start(listener, certificate, key) {
                    Ok(listener) => {
                        report(axum::serve(listener, application).with_graceful_shutdown(stopped).await);
                    }
                    Err(error) => report(Err(error)),
                },
            }
        };
        futures::future::join(probes, reading).await;
    }
}

async fn bind(address: Option<String>) -> io::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    // As in other programs, ":8080" stands for all addresses of this machine.
    let whole = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address };
    let listener = TcpListener::bind(&whole).await;
    listener
        .map(Some)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {whole}: {error}")))
}

fn report(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "a listener ended");
    }
}

fn probes(served: Served) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/log-level", put(set_log_level))
        .with_state(served)
}

fn reading(metrics: Metrics, bearer: Bearer) -> Router {
    Router::new()
        .route("/metrics", get(render))
        .layer(axum::middleware::from_fn_with_state(bearer, access::check))
        .with_state(metrics)
}

async fn livez(State(served): State<Served>) -> Response {
    match served.health.live() {
        Ok(()) => "ok\n".into_response(),
        Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, cause + "\n").into_response(),
    }
}

async fn readyz(State(served): State<Served>) -> Response {
    match served.health.ready() {
        Ok(role) => format!("ok: {role}\n").into_response(),
        Err(cause) => (StatusCode::SERVICE_UNAVAILABLE, cause + "\n").into_response(),
    }
}

async fn set_log_level(
    State(served): State<Served>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    level: String,
) -> Response {
    if !peer.ip().is_loopback() {
        return (StatusCode::FORBIDDEN, "only from this machine itself\n").into_response();
    }
    match served.log_level.set(&level) {
        Ok(()) => {
            tracing::info!(level, "log level changed");
            "ok\n".into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn render(State(metrics): State<Metrics>) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
