//! How a call is sent. A client is cheap to clone, shares its connections between all tokens, and follows no
//! redirects: a token only ever goes to the configured address.

use super::{
    address::Address,
    answer::{Answer, unreachable},
    breaker::Breakers,
    call::Call,
    error::ProviderError,
    limits::Throttles,
    listing::Listing,
    noted::Noted,
    redaction::Redaction,
    service::Lacking,
    token::Token,
};
use crate::{
    ha::Fence,
    telemetry::{metrics::Metrics, repeats::Repeats},
};
use futures::future::BoxFuture;
use reqwest::{Method, header};
use serde::de::DeserializeOwned;
use std::{sync::Arc, time::Duration};
use tracing::Instrument as _;

/// Bounds on every call.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the whole answer.
    pub request_timeout: Duration,
    /// Largest answer that is read, in bytes after decoding.
    pub response_bytes: usize,
    /// Calls in a second with one token; 0 for no bound.
    pub rate: u32,
}

/// A client of the provider's API.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    address: Address,
    response_bytes: usize,
    throttles: Arc<Throttles>,
    breakers: Arc<Breakers>,
    /// Sends although calls of the kind have failed.
    urgent: bool,
    fence: Fence,
    metrics: Option<Metrics>,
    repeats: Arc<Repeats>,
}

/// Below the provider's own cut-off of idle connections, which is about a minute.
const IDLE_CONNECTION: Duration = Duration::from_secs(45);

/// Names a request in the logs of both sides.
const REQUEST_ID: &str = "x-request-id";

impl Client {
    /// A client for one provider address. Fails only when the TLS stack cannot start.
    pub fn new(address: Address, limits: Limits) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("valkeeper/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect_timeout)
            .timeout(limits.request_timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            .redirect(reqwest::redirect::Policy::none());
        if !address.is_encrypted() {
            // No certificate will be checked, and reading those of the machine takes a while.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            http: builder.build()?,
            address,
            response_bytes: limits.response_bytes,
            throttles: Arc::new(Throttles::new(limits.rate)),
            breakers: Arc::default(),
            urgent: false,
            fence: Fence::open(),
            metrics: None,
            repeats: Arc::default(),
        })
    }

    /// The same client, except that it changes nothing once `fence` is closed.
    #[must_use]
    pub fn guarded(&self, fence: Fence) -> Self {
        Self { fence, ..self.clone() }
    }

    /// The same client; an `urgent` one sends its calls even after other calls of the kind have failed in a row.
    #[must_use]
    pub fn urgent(&self, urgent: bool) -> Self {
        Self { urgent, ..self.clone() }
    }

    /// The same client, whose calls are counted.
    #[must_use]
    pub fn measured(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Sends a call of whose answer nothing is needed but that it is a success.
    pub(super) async fn confirm(&self, token: &Token, call: Call<'_>) -> Result<(), ProviderError> {
        let limit = self.response_bytes;
        self.counted(token, call, async |answer| answer.confirmation(limit).await).await
    }

    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        token: &Token,
        call: Call<'_>,
    ) -> Result<T, ProviderError> {
        let limit = self.response_bytes;
        self.counted(token, call, async |answer| answer.json(limit).await).await
    }

    /// Sends a call whose answer is a list of services, to be read as it arrives.
    pub(super) async fn stream(&self, token: &Token, call: Call<'_>) -> Result<Listing, ProviderError> {
        let limit = self.response_bytes;
        self.counted(token, call, async |answer| Ok(answer.listing(limit))).await
    }

    /// Sends a call unless the fence forbids it, counts it, and names the request in the log.
    async fn counted<T>(
        &self,
        token: &Token,
        call: Call<'_>,
        read: impl AsyncFnOnce(Answer) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let operation = call.operation;
        self.throttles.pace(token, self.urgent).await;
        if call.method != Method::GET && self.fence.check().is_err() {
            return Err(ProviderError::Fenced { doing: call.doing });
        }
        self.throttles.check(token, &call.doing)?;
        if !self.urgent {
            self.breakers.check(operation, &call.doing)?;
        }
        let noted = Noted::begin(&call);
        let exchange = async {
            let answer = self.open(token, call, &noted.request_id).await?;
            read(answer).await
        };
        let outcome = exchange.instrument(noted.span.clone()).await;
        self.throttles.learn(token, &outcome);
        self.breakers.learn(operation, &outcome);
        noted.end(outcome.as_ref().err(), &self.repeats, self.metrics.as_ref());
        outcome
    }

    /// Sends a call and waits for the beginning of a successful answer.
    async fn open(&self, token: &Token, call: Call<'_>, request_id: &str) -> Result<Answer, ProviderError> {
        let redaction = Redaction::of(token.expose(), call.body.as_ref());
        let doing = call.doing;
        let unsendable = |cause: String| ProviderError::Unsendable { doing: doing.clone(), cause };
        let url = self
            .address
            .join(&call.segments)
            .ok_or_else(|| unsendable("the project or service name cannot be part of a URL".to_owned()))?;
        let authorization = token.header().map_err(|error| unsendable(error.to_string()))?;
        let mut request = self
            .http
            .request(call.method, url)
            .header(header::AUTHORIZATION, authorization)
            .header(REQUEST_ID, request_id);
        if !call.query.is_empty() {
            request = request.query(call.query);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(patience) = call.patience {
            request = request.timeout(patience);
        }
        let sending: BoxFuture<'_, _> = Box::pin(request.send());
        let response = match sending.await {
            Ok(response) => response,
            Err(error) => return Err(unreachable(&doing, &redaction, error)),
        };
        Answer::of(response, doing, redaction, self.response_bytes).await
    }
}

/// An answer without a part that is needed.
pub(super) fn lacking(doing: String, lacking: Lacking) -> ProviderError {
    ProviderError::Unreadable { doing, cause: lacking.to_string() }
}
