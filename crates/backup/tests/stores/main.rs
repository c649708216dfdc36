//! Backups of real servers, into folders and into every kind of bucket, and back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod buckets;
mod encryption;
mod identity;
mod round_trip;
mod running;
mod uploads;
