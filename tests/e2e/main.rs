//! The operator end to end: real HTTP to a simulated provider, and Kubernetes either in memory or as a real API
//! server. Every scenario runs on both. The real one needs `KUBEBUILDER_ASSETS` (a folder with `etcd` and
//! `kube-apiserver`) or `KUBECONFIG` (a cluster to test in), and reports when it is skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod calls;
mod cluster;
mod door;
mod leaks;
mod process;
mod roles;
mod running;
mod world;

mod absence;
mod aiven_operator;
mod availability;
mod backups;
mod clocks;
mod connection_secret;
mod connection_shape;
mod copies;
mod cost;
mod creation;
mod deletion;
mod drift;
mod edits;
mod fields;
mod handover;
mod hostile;
mod independent;
mod inspect;
mod kubectl;
mod maintenance;
mod mistakes;
mod monitoring;
mod outage;
mod ownership;
mod phases;
mod plans;
mod power;
mod power_schedule;
mod project_poll;
mod restore;
mod schedule;
mod secret_watch;
mod servers;
mod service_user_trouble;
mod service_users;
mod status;
mod takeover;
mod tokens;
mod trouble;
mod upkeep;
mod vpc_trouble;
mod vpcs;
mod way_back;

/// Makes two tests of each scenario, one per kind of API server. What depends on the provider rather than on the API
/// server comes after a semicolon: it runs on a real one with `VALKEEPER_ALL=1` only.
macro_rules! scenarios {
    (run by $run:path: $($scenario:ident),* $(,)? $(; $($other:ident),* $(,)?)?) => {
        mod on_the_sandbox {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                $run(crate::cluster::Place::Sandbox, super::$scenario).await;
            })*
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $other() {
                $run(crate::cluster::Place::Sandbox, super::$other).await;
            })*)?
        }
        mod on_a_real_api_server {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                $run(crate::cluster::Place::Real, super::$scenario).await;
            })*
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $other() {
                if valkeeper_testbed::tools::every_scenario_or_skip() {
                    $run(crate::cluster::Place::Real, super::$other).await;
                }
            })*)?
        }
    };
    ($($scenarios:tt)*) => {
        crate::scenarios![run by crate::world::run: $($scenarios)*];
    };
}
use scenarios;
