//! Valkeeper keeps `Valkey` and `Redis` custom resources true on a managed-service provider.

pub mod api;
