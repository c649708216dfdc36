//! What the provider answered: a body of bounded size, or the reason why there is none, without secrets.

use super::{
    error::ProviderError, lenient::decode, listing::Listing, redaction::Redaction, refusal::Refusal,
};
use reqwest::{Response, header};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::time::Duration;
use valkeeper_engine::failure::innermost;

/// A successful answer whose body was not read yet.
pub(super) struct Answer {
    doing: String,
    response: Response,
    redaction: Redaction,
}

impl Answer {
    /// The answer, unless it is a refusal; of that at most `limit` bytes are read.
    pub(super) async fn of(
        response: Response,
        doing: String,
        redaction: Redaction,
        limit: usize,
    ) -> Result<Self, ProviderError> {
        let (status, wait) = (response.status(), retry_after(&response));
        let answer = Self { doing, response, redaction };
        if status.is_success() {
            return Ok(answer);
        }
        let doing = answer.doing.clone();
        let (text, redaction) = answer.text(limit).await?;
        let refusal = Refusal::read(status, &text, wait, |text| redaction.clean(text));
        Err(ProviderError::Rejected { doing, refusal })
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

    /// The whole body, an object, decoded.
    pub(super) async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, ProviderError> {
        let doing = self.doing.clone();
        let (text, _) = self.text(limit).await?;
        let decoded = decode(&text).and_then(|part| part.ok_or("it is not a JSON object".to_owned()));
        decoded.map_err(|cause| ProviderError::Unreadable { doing, cause })
    }

    /// Reads a body of which nothing is needed; a page of a proxy is not taken for a confirmation.
    pub(super) async fn confirmation(self, limit: usize) -> Result<(), ProviderError> {
        let doing = self.doing.clone();
        let (text, _) = self.text(limit).await?;
        let decoded = if text.is_empty() { Ok(None) } else { decode::<IgnoredAny>(&text) };
        decoded.map(drop).map_err(|cause| ProviderError::Unreadable { doing, cause })
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

/// The failure of a call that got no whole answer.
pub(super) fn unreachable(doing: &str, redaction: &Redaction, error: reqwest::Error) -> ProviderError {
    let late = error.is_timeout() && !error.is_connect();
    let cause = redaction.clean(&innermost(&error.without_url()));
    ProviderError::Unreachable { doing: doing.to_owned(), cause, late }
}

/// Seconds, or a date. The date is compared with that of the answer, so that this machine's clock does not matter;
/// where the answer has none, a date means a pause of unknown length.
fn retry_after(response: &Response) -> Option<Duration> {
    let header = |name| response.headers().get(name)?.to_str().ok().map(str::trim);
    wait(header(header::RETRY_AFTER)?, header(header::DATE))
}

fn wait(after: &str, now: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(after).ok()?;
    let now = now.and_then(|date| httpdate::parse_http_date(date).ok())?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now = Some("Wed, 21 Oct 2026 07:28:00 GMT");
        for (text, seconds) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(30)),
            ("Wednesday, 21-Oct-26 07:29:00 GMT", Some(60)),
            ("Wed Oct 21 07:28:05 2026", Some(5)),
            ("Wed, 21 Oct 2026 07:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(wait(text, now).map(|wait| wait.as_secs()), seconds, "{text}");
        }
        assert_eq!(wait("Wed, 21 Oct 2026 07:28:30 GMT", None), None);
    }
}
