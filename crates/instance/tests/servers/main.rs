//! The instance manager on real servers: every test starts managers as processes, each on a loopback address of
//! its own, and plays the operator with the pure decisions of `valkeeper-failover`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod access;
mod backups;
mod checked;
mod copies;
mod fencing;
mod held;
mod imports;
mod kubernetes;
mod life;
mod measured;
mod operator;
mod pods;
mod sentinel;
mod sentinel_clients;
mod settings;
mod space;
mod switchover;
mod tls;
mod users;
mod world;
mod writer;
