//! Backups of real servers, into folders and into a server that speaks S3, and back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod buckets;
mod encryption;
mod round_trip;
mod running;
mod uploads;
