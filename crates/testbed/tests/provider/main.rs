//! The simulated provider over HTTP: one test for each row of its behaviour matrix, for each knob and for each way a
//! request can fail. An operator tested against it meets the conditions of production.

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
