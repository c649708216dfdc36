//! The plan at the door of a Kubernetes client: a layer for [`kube::client::ClientBuilder`], so that the
//! faults happen wherever the API server is, in this process or a real one.

use super::mode::Mode;
use super::news;
use super::plan::{FaultPlan, Request, Side, Started};
use super::schedule::Lane;
use axum::body::{Body, Bytes, HttpBody};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use http::{HeaderValue, Method, Response, StatusCode, header};
use kube::client::Body as RequestBody;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Mutex;
use tower::{BoxError, Layer, Service};

/// Size of an answer that is far too large.
const BOMB: usize = 2 * 1024 * 1024;
/// How an answer drips.
const DRIP: (usize, Duration) = (256, Duration::from_millis(2));

/// Puts a plan between a client and its connection.
#[derive(Clone, Debug)]
pub struct FaultLayer(pub FaultPlan);

impl<S> Layer<S> for FaultLayer {
    type Service = FaultyService<S>;

    fn layer(&self, inner: S) -> FaultyService<S> {
        FaultyService { inner: Arc::new(Mutex::new(inner)), plan: self.0.clone() }
    }
}

/// A connection on which calls go wrong.
#[derive(Debug)]
pub struct FaultyService<S> {
    /// Locked only until a call is on its way.
    inner: Arc<Mutex<S>>,
    plan: FaultPlan,
}

impl<S, B> Service<http::Request<RequestBody>> for FaultyService<S>
where
    S: Service<http::Request<RequestBody>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<RequestBody>) -> Self::Future {
        let (plan, inner) = (self.plan.clone(), Arc::clone(&self.inner));
        async move {
            let delivers = is_of_custom_resources(&request);
            let started = plan.begin(describe(&request)).await;
            if started.mode.is_some_and(|mode| !mode.executes()) {
                return without_effect(&plan, &started).await;
            }
            if delivers == Some(Delivered::Valkeys)
                && let Some(revision) = plan.past()
            {
                show_past(&mut request, &revision)?;
            }
            let answer = {
                let mut inner = inner.lock().await;
                std::future::poll_fn(|context| inner.poll_ready(context)).await.map_err(Into::into)?;
                inner.call(request)
            };
            let response = answer.await.map_err(Into::into)?;
            plan.finish(&started, response.status().as_u16());
            let mut response = response.map(Body::new);
            if delivers == Some(Delivered::Changes) {
                response = response.map(|body| news::relayed(plan.clone(), body));
            }
            match started.mode {
                None => Ok(response),
                Some(mode) => after_effect(&plan, mode, response).await,
            }
        }
        .boxed()
    }
}

/// The part of an answer that concerns custom resources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivered {
    /// All resources of kind `Valkey`.
    Valkeys,
    /// Changes of resources of any kind.
    Changes,
}

fn is_of_custom_resources(request: &http::Request<RequestBody>) -> Option<Delivered> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if *request.method() != Method::GET || !is_collection(path) {
        return None;
    }
    if query.contains("watch=") {
        return Some(Delivered::Changes);
    }
    path.ends_with("/valkeys").then_some(Delivered::Valkeys)
}

/// Whether `path` is that of all custom resources of a kind.
fn is_collection(path: &str) -> bool {
    let kind = path.rsplit('/').next().unwrap_or_default();
    path.starts_with("/apis/aiven.io/") && ["valkeys", "redis", "projectvpcs"].contains(&kind)
}

/// Requests the state as of `revision`, which a lagging API server would have answered.
fn show_past(request: &mut http::Request<RequestBody>, revision: &str) -> Result<(), BoxError> {
    let mut parts = request.uri().clone().into_parts();
    let kept = request.uri().query().unwrap_or_default().split('&').filter(|part| part.starts_with("limit="));
    let kept: String = kept.flat_map(|part| ["&", part]).collect();
    let path =
        format!("{}?resourceVersion={revision}&resourceVersionMatch=Exact{kept}", request.uri().path());
    parts.path_and_query = Some(path.parse()?);
    *request.uri_mut() = http::Uri::from_parts(parts)?;
    Ok(())
}

/// The description of a request for the plan.
fn describe(request: &http::Request<RequestBody>) -> Request {
    let (method, path) = (request.method(), request.uri().path());
    let query = request.uri().query().unwrap_or_default();
    let collection = is_collection(path);
    let lane = if path.ends_with("/events") && *method == Method::POST {
        Lane::Events
    } else if query.contains("watch=") || (collection && *method == Method::GET) || path.contains("/leases") {
        Lane::Background
    } else {
        Lane::Work
    };
    let bytes = request.body().try_clone().and_then(|body| body.collect_bytes().now_or_never());
    let body = bytes.and_then(Result::ok).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Request {
        side: Side::Kubernetes,
        lane,
        method: method.to_string(),
        path: path.to_owned(),
        body: body.unwrap_or(Value::Null),
    }
}

async fn without_effect(plan: &FaultPlan, started: &Started) -> Result<Response<Body>, BoxError> {
    match started.mode {
        Some(Mode::Status(code)) => Ok(refusal(code)),
        Some(Mode::ProjectMissing) => Ok(refusal(404)),
        Some(Mode::Page(code)) => Ok(page(code)),
        Some(Mode::Reset) => Err(broken()),
        Some(mode) if mode.crashes() => {
            plan.crash();
            std::future::pending().await
        }
        _ => std::future::pending().await,
    }
}

async fn after_effect(
    plan: &FaultPlan,
    mode: Mode,
    response: Response<Body>,
) -> Result<Response<Body>, BoxError> {
    match mode {
        Mode::CrashAfter => {
            plan.crash();
            std::future::pending().await
        }
        Mode::StatusAfter(code) => Ok(refusal(code)),
        Mode::SlowBody => drip(response).await,
        Mode::Truncated => truncate(response).await,
        Mode::Malformed => Ok(response.map(|_| Body::from("{\"kind\": {\"spec\": RUNNING"))),
        Mode::Oversized => Ok(response.map(|_| Body::from(format!("{{\"x\":\"{}\"", "x".repeat(BOMB))))),
        _ => Err(broken()),
    }
}

fn broken() -> BoxError {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}

/// What a proxy in front of the API server answers.
fn page(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::from(super::page::proxy_page(code)));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// An error in the shape of the API server.
fn refusal(code: u16) -> Response<Body> {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "injected", "reason": reason, "code": code,
    });
    let mut response = Response::new(Body::from(status.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

async fn whole(response: Response<Body>) -> Result<(http::response::Parts, Bytes), BoxError> {
    let (parts, body) = response.into_parts();
    Ok((parts, axum::body::to_bytes(body, usize::MAX).await?))
}

async fn truncate(response: Response<Body>) -> Result<Response<Body>, BoxError> {
    let (parts, bytes) = whole(response).await?;
    let half = Ok(bytes.slice(..bytes.len() / 2));
    let end = Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    Ok(Response::from_parts(parts, Body::from_stream(futures::stream::iter([half, end]))))
}

async fn drip(response: Response<Body>) -> Result<Response<Body>, BoxError> {
    let (parts, bytes) = whole(response).await?;
    let drops: Vec<Bytes> = bytes.chunks(DRIP.0).map(Bytes::copy_from_slice).collect();
    let drops = futures::stream::iter(drops).then(|part| async {
        tokio::time::sleep(DRIP.1).await;
        Ok::<_, Infallible>(part)
    });
    Ok(Response::from_parts(parts, Body::from_stream(drops)))
}
