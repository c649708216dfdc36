//! Faults at every call. Each scenario of a resource's life is run once without faults, and its calls are counted.
//! Then it is run again for every call and every way in which that call can go wrong. After each run the world must
//! be as it is without faults. `docs/reliability.md` explains how to read the result and how to replay one schedule.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

#[allow(dead_code, reason = "the end-to-end tests use all of it")]
#[path = "../e2e/cluster.rs"]
mod cluster;

mod canary;
mod disturbances;
mod invariants;
mod matrix;
mod news;
mod oracle;
mod pairs;
mod pauses;
mod perturbations;
mod report;
mod sample;
mod scenarios;
mod singles;
mod surroundings;
mod world;
