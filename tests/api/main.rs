//! The CRDs, the checks and the reference against the contract and against API servers.
//!
//! The contract is data (`contract/*.txt`). The manifests that must be refused are one table with three judges: the
//! API server, `valkeeper validate` and the operator's own check. Files as texts are another table, whose judges are
//! `kubectl` and `valkeeper validate`. The API server is the sandbox's and, when `KUBEBUILDER_ASSETS` is set, a real
//! one; without it those tests report that they were skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken expectation is a failed test"
)]

/// Makes two tests of each function, one per kind of API server.
macro_rules! on_both_servers {
    ($($test:ident),* $(,)?) => {
        mod on_the_sandbox {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::server::Place::Sandbox).await;
            })*
        }
        mod on_a_real_api_server {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::server::Place::Real).await;
            })*
        }
    };
}

mod backups;
mod cases;
mod command;
mod contract;
mod definitions;
mod edits;
mod manifests;
mod project_vpcs;
mod reference;
mod requests;
mod server;
mod service_users;
mod table;
mod texts;
mod users;
mod valkey_clusters;
mod written;
