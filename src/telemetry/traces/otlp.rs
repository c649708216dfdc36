//! Sends spans as OTLP over HTTP, with the client and the TLS stack that are here anyway. Headers, sampling and
//! the attributes of the process are set by the variables that OpenTelemetry names for them.

use crate::telemetry::repeats::{Repeats, log_failure};
use anyhow::Context as _;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::runtime::Handle;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
};

/// Longest wait for the collector's answer.
const ANSWER: Duration = Duration::from_secs(5);
/// What the log calls the sending.
const SENDING: &str = "sending traces";

/// Sends spans in batches.
pub(super) struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Starts to send what the layer is shown.
    pub(super) fn start(spans: &str) -> anyhow::Result<(Self, Box<dyn Layer<Registry> + Send + Sync>)> {
        let http = reqwest::Client::builder().timeout(ANSWER).build().context("cannot send traces")?;
        let sender = Sender { http, runtime: Handle::current(), repeats: Arc::default() };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(sender)
            .build()
            .context("cannot send traces; check the variables that begin with OTEL_EXPORTER_OTLP")?;
        let provider =
            SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build();
        let shown =
            Targets::new().with_target("valkeeper", LevelFilter::INFO).with_target(spans, LevelFilter::INFO);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("valkeeper"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(shown);
        Ok((Self(provider), layer.boxed()))
    }

    /// Sends what is left, for as long as one answer may take.
    pub(super) async fn end(self) {
        // The batch waits for the sender, which works on this runtime.
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(ANSWER)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::debug!("some traces were not sent");
        }
    }
}

fn resource() -> Resource {
    let mut resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if let Ok(instance) = std::env::var("HOSTNAME") {
        resource = resource.with_attribute(KeyValue::new("service.instance.id", instance));
    }
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("valkeeper");
    }
    resource.build()
}

/// The library calls this from a thread of its own, and the client needs a runtime.
#[derive(Clone, Debug)]
struct Sender {
    http: reqwest::Client,
    runtime: Handle,
    repeats: Arc<Repeats>,
}

impl Sender {
    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outcome = self.exchange(request).await;
        match &outcome {
            Ok(response) if response.status().is_success() => {
                if self.repeats.went_well(SENDING).is_some() {
                    tracing::info!("traces are sent again");
                }
            }
            Ok(response) => self.failed(&format!("the collector answers {}", response.status())),
            Err(error) => self.failed(&error.to_string()),
        }
        outcome
    }

    fn failed(&self, how: &str) {
        log_failure!(self.repeats.failed(SENDING, how), "traces are not sent: {how}");
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.http.execute(request.try_into()?).await?;
        let status = answer.status();
        let mut response = Response::new(answer.bytes().await?);
        *response.status_mut() = status;
        Ok(response)
    }
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Sender {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Sending<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        let sending = self.runtime.spawn(self.clone().send(request));
        Box::pin(async move { sending.await? })
    }
}
