//! A client for Valkey and Redis servers, and typed views of what they answer.
//!
//! ```text
//!   Connection ──call──▶ resp (bytes ↔ Value) ──▶ info · role (Value → typed views)
//! ```
//!
//! [`resp`], [`info`] and [`role`] are pure; [`connection`] and [`commands`] do the I/O. Guarantees: fields that a
//! version does not have, or that a newer one adds, never make an answer unreadable; a connection whose answers
//! could be assigned to the wrong command is not used again; errors carry no passwords.
//!
//! Left to others: starting servers, deciding what to send, reconnecting.

pub mod commands;
pub mod connection;
pub mod error;
pub mod info;
pub mod resp;
pub mod role;

pub use commands::{ClientType, Server};
pub use connection::{Connection, Credentials, Endpoint};
pub use error::{Error, ErrorClass};
pub use info::Info;
pub use resp::Value;
pub use role::RoleAnswer;
