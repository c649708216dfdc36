//! Valkeeper keeps `Valkey` and `Redis` custom resources true on a managed-service provider.

pub mod aiven_operator;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod ha;
pub mod operator;
pub mod provider;
pub mod server;
pub mod settings;
pub mod telemetry;
