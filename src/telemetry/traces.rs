//! Traces: each reconciliation is a span, and each call that it makes is a child span. Programs built with the
//! feature `otlp` send them to an OpenTelemetry collector, where `OTEL_EXPORTER_OTLP_ENDPOINT` names one; otherwise
//! no spans are created. Spans carry the same data as the log and no secrets.

#[cfg(feature = "otlp")]
mod otlp;

use tracing_subscriber::{Layer, Registry};

/// Target of spans that are for traces alone: log lines would only repeat them.
pub(crate) const SPANS: &str = "traces";

/// Where the collector is, by the names that OpenTelemetry gives these variables.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// What spans are shown to, besides the log.
pub type Layers = Vec<Box<dyn Layer<Registry> + Send + Sync>>;

/// Exports traces, if a collector is configured.
#[derive(Default)]
pub struct Traces {
    #[cfg(feature = "otlp")]
    exporter: Option<otlp::Exporter>,
}

impl Traces {
    /// Begins to send traces if a collector is named; log and spans go to the layers then.
    pub fn start() -> anyhow::Result<(Self, Layers)> {
        if !is_wanted() {
            return Ok((Self::default(), Layers::new()));
        }
        #[cfg(feature = "otlp")]
        {
            let (exporter, layer) = otlp::Exporter::start(SPANS)?;
            Ok((Self { exporter: Some(exporter) }, vec![layer]))
        }
        #[cfg(not(feature = "otlp"))]
        {
            eprintln!("valkeeper: no traces are sent: this program was built without the feature otlp");
            Ok((Self::default(), Layers::new()))
        }
    }

    /// Sends what is left.
    #[cfg_attr(
        not(feature = "otlp"),
        allow(clippy::unused_async, reason = "waits where there is something to send")
    )]
    pub async fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = self.exporter {
            exporter.end().await;
        }
    }
}

fn is_wanted() -> bool {
    ENDPOINTS.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
