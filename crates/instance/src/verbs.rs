//! The verbs: requests of the operator, each with a term, answered when the instance has done what they ask.
//!
//! | path | does |
//! |---|---|
//! | `GET /v1/status` | answers role, term, position and what the server says |
//! | `GET /v1/term` | answers which term it has seen; to every client where a primary may go on by consent |
//! | `POST /v1/hold` | stop accepting writes or following, for the sake of a coming term |
//! | `POST /v1/promote` | take the lease with this term, then accept writes |
//! | `POST /v1/follow` | follow the primary of this term |
//! | `POST /v1/kick` | disconnect clients, which are to find the primary of this term |
//! | `POST /v1/failover` | ask for a successor, as the primary of this term |
//! | `POST /v1/reload` | read settings and passwords again, and apply what can be applied |
//! | `POST /v1/backup` | begin a backup, which belongs to no term |
//! | `GET /v1/backup/ID` | answers how far it is |
//! | `POST /v1/backup/erase` | deletes a backup in a store that knows this pod |
//! | `GET /v1/users` | answers what the server has taken of each user |
//! | `POST /v1/users/check` | tries rules of a user, which belongs to no term |
//! | `POST /v1/restore` | fetch the data of a backup, before the first start of the server |
//! | `POST /v1/import` | follow a running server, or take over from it, before the first start of the server |
//!
//! A refused verb is answered with 409 and the reason. Any other answer comes after the term is on the disk: an instance
//! that starts anew refuses verbs of older terms as well. Where it cannot be stored, the answer is 507.

use crate::{
    backups::{self, BackupRequest, EraseRequest},
    import::{self, ImportRequest},
    instance::Instance,
    observe, reload,
    restore::{self, RestoreRequest},
    status::{FollowRequest, PromoteRequest, RefusalAnswer, StatusAnswer, TermAnswer, TermRequest},
    users::{self, CheckRequest, UserAnswer},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use valkeeper_failover::manager::Input;

/// Longest time until a verb is answered; what it asks for goes on.
const PATIENCE: Duration = Duration::from_secs(3);

type Shared = State<Arc<Instance>>;

/// For clients that have not proved who they are.
pub(crate) fn unauthenticated_router(instance: Arc<Instance>) -> Router {
    Router::new().route("/v1/term", get(term)).with_state(instance)
}

/// For clients that have, or are on the same machine.
pub(crate) fn router(instance: Arc<Instance>) -> Router {
    Router::new()
        .route("/v1/term", get(term))
        .route("/v1/status", get(status))
        .route("/v1/hold", post(hold))
        .route("/v1/promote", post(promote))
        .route("/v1/follow", post(follow))
        .route("/v1/kick", post(kick))
        .route("/v1/failover", post(hand_over))
        .route("/v1/reload", post(reload_settings))
        .route("/v1/backup", post(back_up))
        .route("/v1/backup/{id}", get(backup))
        .route("/v1/backup/erase", post(erase_backup))
        .route("/v1/restore", post(restore_data))
        .route("/v1/import", post(import_data))
        .route("/v1/users", get(users_taken))
        .route("/v1/users/check", post(check_rules))
        .with_state(instance)
}

async fn status(State(instance): Shared) -> Json<StatusAnswer> {
    Json(observe::status(&instance).await)
}

async fn term(State(instance): Shared) -> Json<TermAnswer> {
    let manager = instance.manager();
    let (identity, seen, reigned) = (manager.identity().clone(), manager.seen(), manager.reigned());
    Json(TermAnswer { identity, seen, reigned })
}

async fn hold(State(instance): Shared, Json(TermRequest { term }): Json<TermRequest>) -> Response {
    carry_out(&instance, Input::Hold { term }).await
}

async fn promote(State(instance): Shared, Json(request): Json<PromoteRequest>) -> Response {
    let PromoteRequest { term, version } = request;
    carry_out(&instance, Input::Promote { term, version }).await
}

async fn follow(State(instance): Shared, Json(request): Json<FollowRequest>) -> Response {
    let FollowRequest { term, primary, host, port, tls_port } = request;
    let port = tls_port.filter(|_| instance.settings.server.tls.is_some()).unwrap_or(port);
    if term >= instance.manager().seen() {
        let mut following = instance.following();
        following.addresses.insert(primary.clone(), (host, port));
        following.term = term;
        drop(following);
        instance.progress().detached();
    }
    carry_out(&instance, Input::Follow { term, primary }).await
}

async fn kick(State(instance): Shared, Json(TermRequest { term }): Json<TermRequest>) -> Response {
    carry_out(&instance, Input::Kick { term }).await
}

async fn hand_over(State(instance): Shared, Json(TermRequest { term }): Json<TermRequest>) -> Response {
    carry_out(&instance, Input::HandOver { term }).await
}

async fn reload_settings(State(instance): Shared, Json(TermRequest { term }): Json<TermRequest>) -> Response {
    if term < instance.manager().seen() {
        return refusal(&instance, valkeeper_failover::manager::Refusal::Stale).await;
    }
    match reload::reload(&instance).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")).into_response(),
    }
}

async fn back_up(State(instance): Shared, Json(request): Json<BackupRequest>) -> Response {
    match backups::begin(&instance, request) {
        Ok(answer) => (StatusCode::ACCEPTED, Json(answer)).into_response(),
        Err(backups::Busy) => (StatusCode::LOCKED, "another backup is being taken\n").into_response(),
    }
}

async fn backup(State(instance): Shared, Path(id): Path<String>) -> Response {
    match instance.backups.answer(&id) {
        Some(answer) => Json(answer).into_response(),
        None => (StatusCode::NOT_FOUND, "no such backup was asked for\n").into_response(),
    }
}

async fn erase_backup(Json(request): Json<EraseRequest>) -> Response {
    tracing::info!(key = request.key, uploads_only = request.uploads_only, "erases a backup");
    match backups::erase(&request).await {
        Ok(()) => Json(()).into_response(),
        Err(error) => {
            tracing::warn!(key = request.key, %error, "a backup was not erased");
            (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response()
        }
    }
}

async fn restore_data(State(instance): Shared, Json(request): Json<RestoreRequest>) -> Response {
    Json(restore::begin(&instance, request)).into_response()
}

async fn import_data(State(instance): Shared, Json(request): Json<ImportRequest>) -> Response {
    Json(import::begin(&instance, request)).into_response()
}

async fn users_taken(State(instance): Shared) -> Json<BTreeMap<String, UserAnswer>> {
    Json(instance.users.answers(instance.access.life()))
}

async fn check_rules(State(instance): Shared, Json(request): Json<CheckRequest>) -> Response {
    match users::check(&instance, &request.rules).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn carry_out(instance: &Instance, input: Input) -> Response {
    tracing::info!(?input, "verb");
    if let Err(refused) = instance.input(input) {
        return refusal(instance, refused).await;
    }
    // Whoever is answered relies on it, also after the next start of this instance.
    if !instance.remembers(PATIENCE).await {
        let text = "the term of the verb cannot be stored; see the log of the instance\n";
        return (StatusCode::INSUFFICIENT_STORAGE, text).into_response();
    }
    instance.settled(PATIENCE).await;
    Json(observe::status(instance).await).into_response()
}

async fn refusal(instance: &Instance, refused: valkeeper_failover::manager::Refusal) -> Response {
    tracing::warn!(?refused, "refused a verb");
    let status = observe::status(instance).await;
    (StatusCode::CONFLICT, Json(RefusalAnswer { refused: refused.into(), status })).into_response()
}
