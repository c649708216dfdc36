//! The provider's console: a page for people, and the requests of its buttons, which the command `ctl`
//! sends as well. Guarantees that only pages of this very server can press a button, that nothing done
//! here shows up in the request log, and that no password or token is ever shown.

mod actions;
mod html;
mod page;

use super::handle::ProviderHandle;
use axum::Router;
use axum::extract::{Form, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use std::collections::BTreeMap;

/// Fields of a form, or of a query.
type Fields = BTreeMap<String, String>;

/// The outcome of a button: the message, or the reason of the failure.
type Outcome = Result<String, String>;

const SCRIPT: &str = include_str!("script.js");
const STYLE: &str = include_str!("style.css");

/// Everything below `/console`, and the way there.
pub(super) fn routes(handle: ProviderHandle) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/console") }))
        .route("/console", get(show))
        .route("/console/style.css", get(|| async { file("text/css", STYLE) }))
        .route("/console/script.js", get(|| async { file("text/javascript", SCRIPT) }))
        .route("/console/ca.pem", get(authority))
        .route("/console/service/{service}/{action}", post(on_service))
        .route("/console/{action}", post(on_api))
        .layer(middleware::from_fn(guard))
        .with_state(handle)
}

fn file(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], content).into_response()
}

async fn show(State(handle): State<ProviderHandle>, Query(query): Query<Fields>) -> Response {
    let html = page::render(&handle, &query);
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// The certificate that clients of real servers need; it is no secret.
async fn authority(State(handle): State<ProviderHandle>) -> Response {
    match handle.certificate_authority() {
        Some(certificate) => {
            ([(header::CONTENT_TYPE, "application/x-pem-file")], certificate).into_response()
        }
        None => {
            (StatusCode::NOT_FOUND, "The services are simulated: nothing has a certificate.").into_response()
        }
    }
}

async fn on_service(
    State(handle): State<ProviderHandle>,
    Path((service, action)): Path<(String, String)>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    answer(&headers, actions::on_service(&handle, &service, &action, &fields))
}

async fn on_api(
    State(handle): State<ProviderHandle>,
    Path(action): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    answer(&headers, actions::on_api(&handle, &action, &fields))
}

/// A sentence for programs; for a browser without the script, the page with that sentence.
fn answer(headers: &HeaderMap, outcome: Outcome) -> Response {
    let plain = headers.get(header::ACCEPT).is_some_and(|accept| accept == "text/plain");
    match outcome {
        Ok(text) if plain => text.into_response(),
        Err(reason) if plain => (StatusCode::BAD_REQUEST, reason).into_response(),
        Ok(text) | Err(text) => {
            Redirect::to(&format!("/console?{}", html::query("told", &text))).into_response()
        }
    }
}

fn is_local(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let own = ["127.0.0.1", "localhost", "[::1]"].contains(&name);
    own && text(header::ORIGIN).is_none_or(|origin| origin == format!("http://{host}"))
}

/// Refuses what another site makes a browser send here: a name that was pointed at this machine, or a
/// form of another origin.
async fn guard(request: Request, next: Next) -> Response {
    if !is_local(request.headers()) {
        return (StatusCode::FORBIDDEN, "This page is for this machine only.").into_response();
    }
    let mut response = next.run(request).await;
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
