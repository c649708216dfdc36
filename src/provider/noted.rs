//! What logs, metrics and traces record of a call.

use super::{call::Call, error::ProviderError};
use crate::telemetry::{
    metrics::{Metrics, ProviderCall},
    repeats::{Repeats, log_failure},
    traces::SPANS,
};
use tokio::time::Instant;
use tracing::{
    Span,
    field::{Empty, display},
};
use valkeeper_engine::failure::Class;

/// A call that was begun.
pub(super) struct Noted {
    operation: &'static str,
    doing: String,
    begun: Instant,
    /// Names the request in the logs of both sides.
    pub(super) request_id: String,
    pub(super) span: Span,
}

impl Noted {
    /// The call is about to be sent.
    pub(super) fn begin(call: &Call<'_>) -> Self {
        let (operation, request_id) = (call.operation, format!("{:016x}", rand::random::<u64>()));
        let span = tracing::info_span!(target: SPANS, "provider call", otel.kind = "client", operation, request_id,
            http.response.status_code = Empty, otel.status_description = Empty);
        Self { operation, doing: call.doing.clone(), begun: Instant::now(), request_id, span }
    }

    /// The call ended, in `error` if there was one.
    pub(super) fn end(self, error: Option<&ProviderError>, repeats: &Repeats, metrics: Option<&Metrics>) {
        let Self { operation, doing, begun, request_id, span } = self;
        let call = ProviderCall {
            operation,
            status: error.map_or(Some(200), ProviderError::status),
            duration: begun.elapsed(),
            throttled: error.is_some_and(|error| matches!(error.class(), Class::Throttled { .. })),
        };
        span.record("http.response.status_code", call.status);
        // A service that does not exist is a normal answer.
        if let Some(error) = error.filter(|error| error.absence().is_none()) {
            span.record("otel.status_description", display(error));
            let times = repeats.failed(&doing, &error.to_string());
            log_failure!(times, operation, request_id, %error, "provider call failed");
        } else {
            repeats.went_well(&doing);
            tracing::debug!(operation, request_id, status = call.status, "provider call");
        }
        if let Some(metrics) = metrics {
            metrics.provider_called(call);
        }
    }
}
