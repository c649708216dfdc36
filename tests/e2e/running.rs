//! An operator at work in this process, and what it serves.

use crate::{leaks::Place, world::PATIENCE};
use kube::Client;
use secrecy::ExposeSecret as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use valkeeper::{
    operator::Operator,
    server::Listeners,
    settings::Settings,
    telemetry::{logs::LogLevel, metrics::Metrics},
};

/// A running operator.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
    metrics: Metrics,
    /// Where probes are answered and metrics read.
    addresses: [(&'static str, String); 3],
}

impl Running {
    /// Starts one with sockets of its own.
    pub(crate) async fn start(mut settings: Settings, client: Client) -> Self {
        if let Some(token) = &settings.default_token {
            assert!(crate::leaks::is_confidential(token.expose_secret()), "a token that would not be found");
        }
        "127.0.0.1:0".clone_into(&mut settings.listening.metrics_bind_address);
        "127.0.0.1:0".clone_into(&mut settings.listening.health_probe_bind_address);
        let listeners = Listeners::bind(settings.listening.addresses()).await.unwrap();
        let (probes, reading) = (listeners.health_address().unwrap(), listeners.metrics_address().unwrap());
        let addresses = [
            ("the metrics", format!("http://{reading}/metrics")),
            ("the probe of life", format!("http://{probes}/livez")),
            ("the probe of readiness", format!("http://{probes}/readyz")),
        ];
        let operator = Operator::new(settings, client);
        let metrics = operator.metrics();
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let task = tokio::spawn(async move {
            operator.run(listeners, LogLevel::fixed(), shutdown).await.unwrap();
        });
        Self { stop, task, metrics, addresses }
    }

    /// Everything that its endpoints serve without a token.
    pub(crate) async fn read(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (name, address) in &self.addresses {
            let answer = reqwest::get(address).await.unwrap();
            places.push((*name, format!("{:?}\n{}", answer.headers().clone(), answer.text().await.unwrap())));
        }
        places
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the operator stops").unwrap();
    }

    /// Ends it in the middle of whatever it does; returns its metrics.
    pub(crate) async fn kill(self) -> Place {
        self.task.abort();
        let _ = self.task.await;
        ("the metrics", self.metrics.render().unwrap())
    }
}
