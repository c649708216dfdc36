//! The whole operator as one call: clients, event sender and controllers, wired and run.

use crate::{
    cluster::events::Recorder,
    controller::{self, Context, StartError},
    settings::Settings,
};
use kube::Client;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs until `shutdown`, then lets the passes under way finish. `client` should come from
/// [`connect`](crate::cluster::connect), and the process-wide TLS provider must be installed before.
pub async fn run(settings: Settings, client: Client, shutdown: CancellationToken) -> Result<(), StartError> {
    let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| "valkeeper".to_owned());
    let (recorder, sending) = Recorder::start(client.clone(), instance);
    let context = Arc::new(Context::new(settings, client, recorder)?);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        provider = context.provider_url(),
        "valkeeper starts"
    );
    // The sender ends when the last recorder is dropped, which is when the controllers have ended.
    let controllers = controller::run(context, shutdown);
    futures::future::join(controllers, sending).await;
    tracing::info!("valkeeper stops");
    Ok(())
}
