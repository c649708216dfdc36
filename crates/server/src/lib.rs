//! A client for Valkey and Redis servers, and typed views of their answers.
//!
//! ```text
//!   Connection ──call──▶ resp (bytes ↔ Value) ──▶ info · role (Value → typed views)
//! ```
//!
//! [`resp`], [`answer`], [`info`] and [`role`] are pure; [`connection`] and [`commands`] do the I/O. Fields that a version does
//! not have, or that a newer one adds, never make an answer unreadable. A connection whose answers could be assigned
//! to the wrong command is not used again. Errors carry no passwords.
//!
//! Out of scope: starting servers, deciding what to send, reconnecting.

pub mod answer;
pub mod commands;
pub mod connection;
pub mod error;
pub mod info;
pub mod resp;
pub mod role;

pub use answer::Protocol;
pub use commands::{ClientType, Server};
pub use connection::{Connection, Credentials, Endpoint, Stream};
pub use error::{Error, ErrorClass};
pub use info::{Info, Replication};
pub use resp::Value;
pub use role::RoleAnswer;
