//! The way of every request: log, latency, scripted faults, authentication, rate limit, handler,
//! and whatever a fault does to the answer. Guarantees that a fault which lets a request take
//! effect changes nothing but the answer.

use super::call::{Call, Query};
use super::control::Token;
use super::faults::Fault;
use super::late::{self, Held};
use super::listener::Cut;
use super::log::Arrival;
use super::outcome::{ApiError, Outcome};
use super::planned;
use super::routes::{self, Access, Match, Route};
use super::server::Shared;
use super::world;
use crate::faults::proxy_page;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::Response;
use futures::StreamExt as _;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Largest request body that is read.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// Answers one request.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let matched = routes::find(parts.method.as_str(), parts.uri.path());
    let sequence = begin(&shared, &parts, &matched);
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return finish(&shared, sequence, error(&ApiError::new(413, "Request body too large"), None));
    };
    let (latency, step) = {
        let world = shared.world();
        (world.control.latency, world.control.time_per_request)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let planned = planned::begin(&shared, &parts, &body).await;
    let fault = match &planned {
        Some(planned) => planned.fault(),
        None => shared.script().take(parts.method.as_str(), parts.uri.path()),
    };
    if let Some(Fault::Delay(delay)) = fault {
        tokio::time::sleep(delay).await;
    }
    if let Some(Fault::Late { after }) = fault {
        return late::hold(Held { shared, sequence, parts, body, matched, planned }, after).await;
    }
    let executes = fault.as_ref().is_none_or(Fault::executes);
    let outcome = if executes { Some(execute(&shared, sequence, &parts, &body, matched)) } else { None };
    shared.clock.step(step);
    if let Some(planned) = planned {
        planned.finish(outcome.as_ref());
    }
    let response = match fault {
        None | Some(Fault::Delay(_)) => regular(&shared, outcome),
        Some(Fault::ProjectMissing) => {
            let project = parts.uri.path().split('/').nth(3).unwrap_or_default();
            Some(error(&world::missing_project(project), None))
        }
        Some(fault) => Some(faulty(&shared, fault, outcome, &cut).await),
    };
    finish(&shared, sequence, response.unwrap_or_default())
}

fn begin(shared: &Shared, parts: &Parts, matched: &Match) -> u64 {
    shared.log().begin(Arrival {
        time: shared.clock.now(),
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        route: matched.template(),
    })
}

fn finish(shared: &Shared, sequence: u64, response: Response) -> Response {
    let status = response.status().as_u16();
    shared.log().amend(sequence, |entry| entry.status = Some(status));
    response
}

/// Authenticates, admits and runs the handler.
pub(super) fn execute(
    shared: &Shared,
    sequence: u64,
    parts: &Parts,
    body: &Bytes,
    matched: Match,
) -> Outcome {
    let now = shared.clock.now();
    let token = authenticate(shared, sequence, parts, &matched)?;
    let (route, parameters) = match matched {
        Match::Found(route, parameters) => (route, parameters),
        Match::WrongMethod(_) => return Err(ApiError::new(405, "Method not allowed")),
        Match::None => return Err(ApiError::not_found("Not found")),
    };
    if let Some(token) = &token {
        shared.world_at(now).control.admit(token, now)?;
        authorize(shared, token, route, &parameters)?;
    }
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let reads = parts.method == Method::GET;
    let outcome = (route.run)(&Call { shared, parameters, query, body, token, now, reads });
    shared.log().amend(sequence, |entry| entry.executed = outcome.is_ok());
    outcome
}

fn authenticate(
    shared: &Shared,
    sequence: u64,
    parts: &Parts,
    matched: &Match,
) -> Result<Option<Arc<Token>>, ApiError> {
    if let Match::Found(Route { access: Access::Public, .. }, _) = matched {
        return Ok(None);
    }
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shared.world().control.authenticate(header)?;
    let name = token.name.clone();
    shared.log().amend(sequence, |entry| entry.token = Some(name));
    Ok(Some(token))
}

fn authorize(shared: &Shared, token: &Token, route: &Route, parameters: &[String]) -> Result<(), ApiError> {
    let Access::Project(permissions) = route.access else { return Ok(()) };
    let project = parameters.first().map_or("", String::as_str);
    shared.world().project(project)?;
    if !token.sees(project) {
        return Err(ApiError::forbidden("Not a project member"));
    }
    if !token.may_any(permissions) {
        let wanted = permissions.join(" or ");
        return Err(ApiError::forbidden(format!("Missing permission: {wanted}")).code("permission_denied"));
    }
    Ok(())
}

fn regular(shared: &Shared, outcome: Option<Outcome>) -> Option<Response> {
    Some(match outcome? {
        Ok(reply) => json(StatusCode::OK, Body::from(reply.0)),
        Err(refusal) => error(&refusal, shared.world().unknowns.retry_after),
    })
}

/// What the client gets when a script interferes.
async fn faulty(shared: &Shared, fault: Fault, outcome: Option<Outcome>, cut: &Cut) -> Response {
    let body = outcome.and_then(Result::ok).map(|reply| reply.0).unwrap_or_default();
    match fault {
        Fault::Status { code, message, error_code, retry_after, .. } => {
            let wait = retry_after.map(Duration::from_secs).or(shared.world().unknowns.retry_after);
            error(&ApiError { status: code, message, error_code }, wait)
        }
        Fault::ProxyPage { code } => {
            let mut response = Response::new(Body::from(proxy_page(code)));
            *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            response
        }
        Fault::CloseConnection { .. } => {
            cut.now();
            std::future::pending().await
        }
        Fault::Hang { .. } | Fault::Late { .. } | Fault::ProjectMissing => std::future::pending().await,
        Fault::TruncatedBody => truncated(body),
        Fault::MalformedJson => json(StatusCode::OK, Body::from("{\"service\": {\"state\": RUNNING")),
        Fault::OversizedBody(size) => {
            let padding = "x".repeat(size);
            json(StatusCode::OK, Body::from(format!("{{\"message\":\"{padding}\"}}")))
        }
        Fault::SlowBody(pause) => slow(body, pause),
        Fault::Delay(_) => json(StatusCode::OK, Body::from(body)),
    }
}

/// Announces the whole body and ends half-way.
fn truncated(body: Vec<u8>) -> Response {
    let length = HeaderValue::from(body.len().max(2));
    let half = Bytes::from(body);
    let half = half.slice(..half.len() / 2);
    // The server writes out what it has whenever the body makes it wait, so the half is sent before the end.
    let broken = futures::stream::iter([half]).map(Ok).chain(futures::stream::once(async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
    }));
    let mut response = json(StatusCode::OK, Body::from_stream(broken));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

/// One byte per pause.
fn slow(body: Vec<u8>, pause: Duration) -> Response {
    let bytes = futures::stream::unfold(body.into_iter(), move |mut rest| async move {
        tokio::time::sleep(pause).await;
        rest.next().map(|byte| (Ok::<_, Infallible>(Bytes::from(vec![byte])), rest))
    });
    json(StatusCode::OK, Body::from_stream(bytes))
}

fn json(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn error(refusal: &ApiError, retry_after: Option<Duration>) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, Body::from(refusal.body()));
    if let Some(wait) = retry_after.filter(|_| matches!(refusal.status, 429 | 503)) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    response
}
