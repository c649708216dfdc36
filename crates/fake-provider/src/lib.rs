//! Fake of the Aiven HTTP API for tests, written from the API reference only.
//!
//! The fake is independent of the operator and of its simulator. It shares neither code nor
//! assumptions with them, so a wrong assumption in one of them shows as a difference.
//! Where the reference leaves a behavior open, the fake takes the variant that is harder for a client
//! and a comment names the choice.
//!
//! A test starts a [`FakeProvider`] with a [`Config`], points its client at
//! [`FakeProvider::url`], and changes the provider's state with the methods of [`FakeProvider`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod call;
mod catalog;
mod clock;
mod config;
mod control;
mod create;
mod fault;
mod http;
mod integration;
mod listener;
mod migration;
mod network;
mod parts;
mod provider;
mod record;
mod render;
mod reply;
mod route;
mod schema;
mod service;
mod settings;
mod shapes;
mod token;
mod update;
mod users;
mod vpc;
mod world;

pub use config::{
    Config, DEFAULT_PROJECT, DEFAULT_TOKEN, Delay, ErrorStyle, OPTIONAL_FIELDS, PowerOffShape, SecretDefault,
    Shapes, UncleanPowerOff,
};
pub use fault::{Answer, Matching, RetryAfter};
pub use provider::FakeProvider;
pub use record::Record;
pub use token::{Permissions, TokenSpec};
pub use vpc::VpcState;
