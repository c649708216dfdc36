//! The calls, one function each. A client is cheap to clone, shares its connections between all
//! tokens, and follows no redirects: a token only ever goes to the configured address.

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
    service::{Migration, Service},
    token::Token,
};
use crate::{
    ha::Fence,
    telemetry::{metrics::Metrics, repeats::Repeats},
};
use futures::future::BoxFuture;
use reqwest::{Method, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
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

/// Which service a call is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The project.
    pub project: String,
    /// The service's name in it.
    pub service: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "service {} in project {}", self.service, self.project)
    }
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

#[derive(Deserialize)]
struct Enveloped {
    service: Service,
}

#[derive(Deserialize)]
struct Migrating {
    migration: Migration,
}

/// Below the provider's own cut-off of idle connections, which is about a minute.
const IDLE_CONNECTION: Duration = Duration::from_secs(45);

/// Longest wait for a whole list: it arrives as fast as its services are worked on.
const LISTING: Duration = Duration::from_mins(5);

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

    /// The same client; one that is `urgent` sends its calls although others of the kind have failed in a row.
    #[must_use]
    pub fn urgent(&self, urgent: bool) -> Self {
        Self { urgent, ..self.clone() }
    }

    /// The same client, whose calls are counted.
    #[must_use]
    pub fn measured(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Reads a service with its credentials; `None` when it does not exist.
    pub async fn service(
        &self,
        token: &Token,
        reference: &Reference,
    ) -> Result<Option<Service>, ProviderError> {
        let call = Call::about(reference, "get", "reading", Method::GET, &[], None)
            .with_query(&[("include_secrets", "true")]);
        match self.send::<Enveloped>(token, call).await {
            Ok(answer) => Ok(Some(answer.service)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a service from a complete request body; 409 when the name is taken.
    pub async fn create(
        &self,
        token: &Token,
        reference: &Reference,
        body: Value,
    ) -> Result<Service, ProviderError> {
        let call = Call {
            operation: "create",
            doing: format!("creating {reference}"),
            method: Method::POST,
            segments: vec!["v1", "project", &reference.project, "service"],
            query: &[],
            body: Some(body),
            patience: None,
        };
        Ok(self.send::<Enveloped>(token, call).await?.service)
    }

    /// Changes the fields in `body` and leaves the others alone.
    pub async fn update(
        &self,
        token: &Token,
        reference: &Reference,
        body: Value,
    ) -> Result<Service, ProviderError> {
        let call = Call::about(reference, "update", "updating", Method::PUT, &[], Some(body))
            .with_query(&[("include_secrets", "true")]);
        Ok(self.send::<Enveloped>(token, call).await?.service)
    }

    /// Replaces all tags of a service.
    pub async fn replace_tags(
        &self,
        token: &Token,
        reference: &Reference,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), ProviderError> {
        let body = Some(json!({ "tags": tags }));
        let call = Call::about(reference, "tags", "replacing the tags of", Method::PUT, &["tags"], body);
        self.send::<Value>(token, call).await.map(drop)
    }

    /// Asks for the deletion of a service; `false` when the provider says that there is none.
    pub async fn delete(&self, token: &Token, reference: &Reference) -> Result<bool, ProviderError> {
        let call = Call::about(reference, "delete", "deleting", Method::DELETE, &[], None);
        match self.send::<Value>(token, call).await {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How far a migration into a service has come; `None` when none is under way any more.
    pub async fn migration(
        &self,
        token: &Token,
        reference: &Reference,
    ) -> Result<Option<Migration>, ProviderError> {
        let call = Call::about(
            reference,
            "migration",
            "following the migration of",
            Method::GET,
            &["migration"],
            None,
        );
        match self.send::<Migrating>(token, call).await {
            Ok(answer) => Ok(Some(answer.migration)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All services of a project, with their credentials where the token may read them, one by one as
    /// they arrive.
    pub async fn services(&self, token: &Token, project: &str) -> Result<Listing, ProviderError> {
        let call = Call {
            operation: "list",
            doing: format!("listing the services of project {project}"),
            method: Method::GET,
            segments: vec!["v1", "project", project, "service"],
            query: &[("include_secrets", "true")],
            body: None,
            patience: Some(LISTING),
        };
        let limit = self.response_bytes;
        self.counted(token, call, async |answer| Ok(answer.listing(limit))).await
    }

    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        token: &Token,
        call: Call<'_>,
    ) -> Result<T, ProviderError> {
        let limit = self.response_bytes;
        self.counted(token, call, async |answer| answer.json(limit).await).await
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
