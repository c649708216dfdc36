//! A proxy between one operator and the API server. It works without TLS, so that a clock that is days off does not
//! affect certificates. It has the permissions of the chart, where there are roles. On request it stops answering, as
//! when a network is cut in two.

use crate::{calls::Calls, world::World};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::TryStreamExt as _;
use http_body_util::BodyExt as _;
use kube::Client;
use std::{io, net::SocketAddr};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A door, which is taken away when this is dropped.
pub(crate) struct Door {
    /// What went through it.
    pub(crate) calls: Calls,
    address: SocketAddr,
    passage: watch::Sender<Passage>,
    task: JoinHandle<()>,
}

/// What happens to calls at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// They go through.
    Open,
    /// They wait, and so does all that is on its way back; connections stay.
    Silent,
    /// They fail immediately, and watches end.
    Refused,
}

#[derive(Clone)]
struct Behind {
    client: Client,
    passage: watch::Receiver<Passage>,
}

impl Door {
    /// An open door to the API server of `world`.
    pub(crate) async fn open(world: &World) -> Self {
        let calls = Calls::default();
        let client = calls.watched_client(world.operator_config().await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (passage, state) = watch::channel(Passage::Open);
        let router = Router::new().fallback(pass).with_state(Behind { client, passage: state });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { calls, address, passage, task }
    }

    /// From now on, also for what waits.
    pub(crate) fn lets(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }

    /// The way through the door.
    pub(crate) fn kubeconfig(&self) -> String {
        serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "door",
            "clusters": [{"name": "door", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "door", "user": {}}],
            "contexts": [{"name": "door", "context": {"cluster": "door", "user": "door"}}],
        })
        .to_string()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Behind {
    /// Waits as long as the door is silent; fails when it refuses.
    async fn passed(&self) -> io::Result<()> {
        let mut passage = self.passage.clone();
        // An error means that the door is gone, and this connection with it.
        let passage = passage.wait_for(|passage| *passage != Passage::Silent).await.map(|passage| *passage);
        if passage.is_ok_and(|passage| passage == Passage::Open) {
            return Ok(());
        }
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    }
}

async fn pass(State(behind): State<Behind>, request: Request) -> Response {
    match forward(behind, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn forward(behind: Behind, request: Request) -> io::Result<Response> {
    behind.passed().await?;
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let request = http::Request::from_parts(parts, kube::client::Body::from(body));
    let response = behind.client.send(request).await.map_err(io::Error::other)?;
    behind.passed().await?;
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::TRANSFER_ENCODING);
    let parts_of_body = body.into_data_stream().map_err(io::Error::other);
    let passing = parts_of_body.and_then(move |part| {
        let behind = behind.clone();
        async move { behind.passed().await.map(|()| part) }
    });
    Ok(Response::from_parts(parts, Body::from_stream(passing)))
}
