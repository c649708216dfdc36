//! Access to the metrics: for every client, or for clients with the token in a file. The comparison takes the same
//! time wherever two tokens differ.

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use subtle::ConstantTimeEq as _;

/// File with the token; without it, every client has access.
#[derive(Clone)]
pub(super) struct Bearer(pub(super) Option<PathBuf>);

/// Lets a request through, or answers that it lacks the token.
pub(super) async fn check(State(Bearer(file)): State<Bearer>, request: Request, next: Next) -> Response {
    let Some(file) = file else { return next.run(request).await };
    let wanted = match tokio::fs::read_to_string(&file).await {
        Ok(text) if !text.trim().is_empty() => SecretString::from(text.trim()),
        _ => {
            tracing::warn!(file = %file.display(), "cannot read the metrics token");
            return (StatusCode::SERVICE_UNAVAILABLE, "no token is configured\n").into_response();
        }
    };
    let presented = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented = presented.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if presented.as_bytes().ct_eq(wanted.expose_secret().as_bytes()).into() {
        return next.run(request).await;
    }
    ([(header::WWW_AUTHENTICATE, "Bearer")], StatusCode::UNAUTHORIZED).into_response()
}
