//! What an instance answers to clients that have not proved who they are: which term it has seen, where a primary may go on
//! by consent, and nothing else.
//!
//! Guarantees: such clients change nothing, and take a bounded number of connections, each for a bounded time.

use crate::{instance::Instance, tls::UnauthenticatedHandler, verbs};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_rustls::server::TlsStream;

/// Peers of one cluster need less.
const CONNECTIONS: usize = 32;
/// Longest time of a connection; one question is asked on each.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers such clients.
#[derive(Clone)]
pub(crate) struct UnauthenticatedServer {
    instance: Arc<Instance>,
    router: Router,
    permits: Arc<Semaphore>,
}

impl UnauthenticatedServer {
    pub(crate) fn of(instance: &Arc<Instance>) -> Self {
        let router = verbs::unauthenticated_router(Arc::clone(instance));
        Self { instance: Arc::clone(instance), router, permits: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

impl UnauthenticatedHandler for UnauthenticatedServer {
    fn is_open(&self) -> bool {
        self.instance.peer_settings().is_some()
    }

    async fn serve(&self, stream: TlsStream<TcpStream>) {
        // One that gets no permit is closed.
        let Ok(_permit) = self.permits.try_acquire() else { return };
        let service = TowerToHyperService::new(self.router.clone());
        let serving = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
        if let Ok(Err(error)) = timeout(PATIENCE, serving).await {
            tracing::debug!(%error, "request without client certificate failed");
        }
    }
}
