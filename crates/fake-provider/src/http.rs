//! HTTP side: converts requests to calls, records them, and injects faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use tokio::sync::watch;

use crate::call::{Call, decode, parse_query};
use crate::fault::{Answer, Faults};
use crate::listener::Switch;
use crate::record::{Record, without_secrets};
use crate::reply::Fail;
use crate::route::dispatch;
use crate::world::World;

const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Everything behind the lock.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) world: World,
    pub(crate) faults: Faults,
    pub(crate) records: Vec<Record>,
    /// Changes when a test drops the records, so that late answers do not hit a wrong record.
    pub(crate) epoch: u64,
}

/// State that the server and the test share.
#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    pub(crate) release: watch::Sender<u64>,
}

/// Position of a record.
#[derive(Clone, Copy)]
struct Ticket {
    epoch: u64,
    index: usize,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        let inner = Inner { world, faults: Faults::default(), records: Vec::new(), epoch: 0 };
        Self { inner: Mutex::new(inner), release: watch::Sender::new(0) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, ticket: Ticket, change: impl FnOnce(&mut Record)) {
        let mut inner = self.lock();
        if inner.epoch == ticket.epoch
            && let Some(record) = inner.records.get_mut(ticket.index)
        {
            change(record);
        }
    }

    /// Answers a call regularly.
    fn apply(&self, call: &Call, ticket: Ticket) -> (u16, String) {
        let answer = {
            let world = &mut self.lock().world;
            match dispatch(world, call) {
                Ok(body) => (200, body.to_string()),
                Err(fail) => (fail.status, fail.body(world.config.error_style).to_string()),
            }
        };
        self.note(ticket, |record| {
            record.took_effect = true;
            record.status = Some(answer.0);
        });
        answer
    }
}

/// Handles every request.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(switch): ConnectInfo<Switch>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
        return json_response(400, Fail::bad_request("Request body is incomplete").message().to_owned());
    };
    let call = parse(&parts, &bytes);
    let (ticket, answer) = register(&shared, &parts, &call);
    match answer {
        None => finish(shared.apply(&call, ticket)),
        Some(answer) => inject(&shared, &switch, call, ticket, answer).await,
    }
}

fn parse(parts: &Parts, bytes: &Bytes) -> Call {
    let path = parts.uri.path();
    let path = path.strip_prefix("/v1/").unwrap_or("");
    let token = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        let known = ["aivenv1", "bearer"].contains(&scheme.to_ascii_lowercase().as_str());
        known.then(|| secret.trim().to_owned())
    });
    let body = serde_json::from_slice(bytes).ok();
    Call {
        method: parts.method.to_string(),
        segments: path.split('/').map(decode).collect(),
        query: parse_query(parts.uri.query().unwrap_or_default()),
        // The content type is not checked: clients send any on requests without a body.
        broken_body: body.is_none() && !bytes.is_empty(),
        body,
        token,
    }
}

fn register(shared: &Shared, parts: &Parts, call: &Call) -> (Ticket, Option<Answer>) {
    let mut inner = shared.lock();
    let path = parts.uri.path();
    let answer = inner.faults.next(&call.method, path);
    let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    inner.records.push(Record {
        method: call.method.clone(),
        path: path.to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: call.body.as_ref().map(without_secrets),
        user_agent: agent.map(str::to_owned),
        status: None,
        injected: answer.is_some(),
        took_effect: false,
    });
    (Ticket { epoch: inner.epoch, index: inner.records.len() - 1 }, answer)
}

async fn inject(
    shared: &Arc<Shared>,
    switch: &Switch,
    call: Call,
    ticket: Ticket,
    answer: Answer,
) -> Response {
    match answer {
        Answer::Respond { status, headers, body } => {
            shared.note(ticket, |record| record.status = Some(status));
            respond(status, &headers, body)
        }
        Answer::RespondAfterEffect { status, body } => {
            shared.apply(&call, ticket);
            shared.note(ticket, |record| record.status = Some(status));
            respond(status, &[], body)
        }
        Answer::Reset => cut(switch),
        Answer::ResetAfterEffect => {
            shared.apply(&call, ticket);
            shared.note(ticket, |record| record.status = None);
            cut(switch)
        }
        Answer::SlowAnswer(time) => {
            let answer = shared.apply(&call, ticket);
            tokio::time::sleep(time).await;
            finish(answer)
        }
        Answer::LateEffect(time) => later(shared, call, ticket, Some(time)).await,
        Answer::Held => later(shared, call, ticket, None).await,
    }
}

/// Applies a call later. The task survives a client that closes its connection.
async fn later(shared: &Arc<Shared>, call: Call, ticket: Ticket, time: Option<Duration>) -> Response {
    let mut released = shared.release.subscribe();
    let shared = shared.clone();
    let task = tokio::spawn(async move {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => {
                let _ended = released.changed().await;
            }
        }
        shared.apply(&call, ticket)
    });
    match task.await {
        Ok(answer) => finish(answer),
        Err(_) => json_response(500, "{}".to_owned()),
    }
}

fn cut(switch: &Switch) -> Response {
    switch.reset();
    Response::new(Body::empty())
}

fn finish((status, body): (u16, String)) -> Response {
    json_response(status, body)
}

fn json_response(status: u16, body: String) -> Response {
    respond(status, &[("content-type".to_owned(), "application/json".to_owned())], body)
}

fn respond(status: u16, headers: &[(String, String)], body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
