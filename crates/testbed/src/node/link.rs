//! The way of a node to the API server, which can be cut or slow. While it is cut, requests wait and nothing that
//! was on its way arrives; a request that had been sent takes effect, as behind a network that lost the answer.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::{Request, Response};
use kube::Client;
use kube::client::Body as KubeBody;
use tokio::sync::watch;
use tower::Service;

/// A way that can be cut and restored.
#[derive(Clone, Debug)]
pub(super) struct Link(Arc<watch::Sender<Way>>);

/// What becomes of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Whether this end is connected.
    pub(super) connected: bool,
    /// Whether there is an API at the other end.
    pub(super) answered: bool,
    /// How much longer each request takes.
    pub(super) delay: Duration,
}

impl Way {
    fn is_open(&self) -> bool {
        self.connected && self.answered
    }
}

impl Link {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Way { connected: true, answered: true, delay: Duration::ZERO })))
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Way)) {
        self.0.send_modify(change);
    }

    /// Waits until the way is open.
    pub(super) async fn wait(&self) {
        // It cannot end: this is one of its senders.
        let _ = self.0.subscribe().wait_for(Way::is_open).await;
    }

    async fn delay(&self) {
        let delay = self.0.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// A client whose requests take this way.
    pub(super) fn client(&self, client: Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        Client::new(Linked { client, link: self.clone() }, namespace)
    }
}

struct Linked {
    client: Client,
    link: Link,
}

impl Service<Request<KubeBody>> for Linked {
    type Response = Response<Body>;
    type Error = tower::BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<KubeBody>) -> Self::Future {
        let (client, link) = (self.client.clone(), self.link.clone());
        async move {
            link.delay().await;
            link.wait().await;
            let answer = client.send(request).await?;
            link.wait().await;
            let (parts, body) = answer.into_parts();
            Ok(Response::from_parts(parts, Body::from_stream(delivered(link, Body::new(body)))))
        }
        .boxed()
    }
}

/// What arrives of a body, when the way is open.
fn delivered(link: Link, body: Body) -> impl stream::Stream<Item = Result<Bytes, axum::Error>> + Send {
    body.into_data_stream().then(move |part| {
        let link = link.clone();
        async move {
            link.wait().await;
            part
        }
    })
}
