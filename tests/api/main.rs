//! The definitions, the checks and the reference against the contract and against a real API server.
//!
//! The contract is data (`contract/*.txt`), the manifests that must be refused are one table with three
//! judges: the API server, `valkeeper validate` and the operator's own check. Tests that need the API server
//! say that they were skipped when `KUBEBUILDER_ASSETS` is not set.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken expectation is a failed test"
)]

mod cases;
mod command;
mod contract;
mod definitions;
mod edits;
mod generator;
mod manifests;
mod reference;
mod requests;
mod server;
mod table;
