//! Self-hosted clusters end to end: the operator, an API server, nodes that run pods as processes, and real servers.
//! Every scenario runs on the embedded API server. With `KUBEBUILDER_ASSETS`, those that depend on what an API server does
//! run on a real one too, and all of them with `VALKEEPER_ALL=1`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod asking;
mod backups;
mod backups_of_pods;
mod bucket;
mod cell;
mod checked;
mod connection;
mod creation;
mod day_two;
mod definitions;
mod durability;
mod failover;
mod final_backups;
mod imports;
mod issuer;
mod life;
mod looking;
mod matrix;
mod metrics;
mod namespaces;
mod outages;
mod passwords;
mod plain_server;
mod plans;
mod report;
mod resizes;
mod roles;
mod scale;
mod schedules;
mod sentinel;
mod sentinel_libraries;
mod simulated;
mod switchover;
mod tls;
mod updates;
mod users;
mod variables;
mod verification_pods;
mod volumes;
mod world;
mod writer;

/// Makes two tests of each scenario, one per kind of API server. Those after the semicolon run on a real one only where
/// everything is asked for.
macro_rules! scenarios {
    ($($scenario:ident),* $(,)? $(; $($other:ident),* $(,)?)?) => {
        mod on_the_sandbox {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                if let Some(world) = crate::world::World::embedded().await {
                    super::$scenario(world).await;
                }
            })*
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $other() {
                if let Some(world) = crate::world::World::embedded().await {
                    super::$other(world).await;
                }
            })*)?
        }
        mod on_a_real_api_server {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                if let Some(world) = crate::world::World::real().await {
                    super::$scenario(world).await;
                }
            })*
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $other() {
                if valkeeper_testbed::tools::every_scenario_or_skip()
                    && let Some(world) = crate::world::World::real().await
                {
                    super::$other(world).await;
                }
            })*)?
        }
    };
}
use scenarios;
use std::time::Duration;
use valkeeper::settings::Settings;

/// Once per process is enough.
fn prepare() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let filter = std::env::var("TEST_LOG").unwrap_or_else(|_| "warn".to_owned());
    let subscriber = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::new(filter));
    let _ = subscriber.with_test_writer().try_init();
}

/// Of an operator that looks this often at what is in sync.
fn settings(resync_interval: Duration) -> Settings {
    Settings {
        self_hosted: true,
        manager_image: world::MANAGER_IMAGE.to_owned(),
        service_addresses: true,
        no_project_vpcs: true,
        resync_interval,
        watched_namespaces: vec!["default".to_owned(), namespaces::SHOP.to_owned()],
        ..Settings::default()
    }
}
