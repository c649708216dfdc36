//! What the provider answered: a body of bounded size, or the reason why there is none, without secrets.

use super::{error::ProviderError, listing::Listing, redaction::Redaction};
use reqwest::{Response, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

/// A successful answer whose body was not read yet.
pub(super) struct Answer {
    doing: String,
    response: Response,
    redaction: Redaction,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    errors: Value,
}

impl Answer {
    /// The answer, unless it is a refusal; of that at most `limit` bytes are read.
    pub(super) async fn of(
        response: Response,
        doing: String,
        redaction: Redaction,
        limit: usize,
    ) -> Result<Self, ProviderError> {
        let (status, retry_after) = (response.status(), retry_after(&response));
        let answer = Self { doing, response, redaction };
        if status.is_success() {
            return Ok(answer);
        }
        let doing = answer.doing.clone();
        let (text, redaction) = answer.text(limit).await?;
        let message = redaction.clean(&error_message(&text, status));
        Err(ProviderError::Rejected { doing, status: status.as_u16(), message, retry_after })
    }

    /// The whole body.
    async fn text(mut self, limit: usize) -> Result<(Vec<u8>, Redaction), ProviderError> {
        let mut bytes = Vec::new();
        loop {
            match self.response.chunk().await {
                Ok(None) => return Ok((bytes, self.redaction)),
                Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => {
                    let cause = format!("it is larger than {limit} bytes");
                    return Err(ProviderError::Unreadable { doing: self.doing, cause });
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Err(error) => return Err(unreachable(&self.doing, &self.redaction, error)),
            }
        }
    }

    /// The whole body, decoded.
    pub(super) async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, ProviderError> {
        let doing = self.doing.clone();
        let (text, _) = self.text(limit).await?;
        decode(&doing, if text.is_empty() { b"null" } else { &text })
    }

    /// The body, to be read service by service, each no longer than `limit`.
    pub(super) fn listing(self, limit: usize) -> Listing {
        let Self { doing, response, redaction } = self;
        let failed = {
            let doing = doing.clone();
            move |error| unreachable(&doing, &redaction, error)
        };
        Listing::new(doing, response, limit, Box::new(failed))
    }
}

/// Decodes an answer. The position is enough: serde's own message may quote a value from it.
pub(super) fn decode<T: DeserializeOwned>(doing: &str, text: &[u8]) -> Result<T, ProviderError> {
    serde_json::from_slice(text).map_err(|error| {
        let cause =
            format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column());
        ProviderError::Unreadable { doing: doing.to_owned(), cause }
    })
}

/// The failure of a call that got no whole answer.
pub(super) fn unreachable(doing: &str, redaction: &Redaction, error: reqwest::Error) -> ProviderError {
    let late = error.is_timeout() && !error.is_connect();
    let cause = redaction.clean(&chain(&error.without_url()));
    ProviderError::Unreachable { doing: doing.to_owned(), cause, late }
}

/// Seconds only: a date would need this machine's clock to be right.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn error_message(body: &[u8], status: reqwest::StatusCode) -> String {
    let parsed = serde_json::from_slice::<ErrorBody>(body).ok();
    let from_body = parsed.and_then(|body| {
        let first = body.errors.get(0).and_then(|error| error.get("message")).and_then(Value::as_str);
        first.map(str::to_owned).or(body.message)
    });
    let text = from_body.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    if text.trim().is_empty() {
        return status.canonical_reason().unwrap_or("no explanation").to_owned();
    }
    text
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
