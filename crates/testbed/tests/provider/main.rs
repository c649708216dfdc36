//! The simulated provider, asked over HTTP: one test for each row of its behaviour matrix, for each
//! knob and for each way a request can fail. Guarantees that an operator tested against it meets
//! what it would meet in production.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod browser;
mod changes;
mod cli;
mod console;
mod creation;
mod disturbances;
mod faults;
mod harness;
mod integrations;
mod interventions;
mod lag;
mod networks;
mod power;
mod reading;
mod users;
