//! The manager of one instance of a self-hosted cluster: the first process of the server's container.
//!
//! ```text
//!   operator ──verbs──▶ manager ──guard──▶ server ◀── clients
//!                        │  ▲ deadline       ▲
//!                        ▼  │                └ held: follows a listener that never answers
//!                       lease
//! ```
//!
//! Guarantees, by the protocol of `valkeeper-failover` and by what this crate adds to it:
//!
//! * a server is started held, and accepts writes only while its manager holds the lease;
//! * when the lease cannot be renewed, the server is held before another may be promoted; if it does not confirm
//!   that, or the manager stands still, it is killed;
//! * where the settings allow to go on without the lease, all that it names have to consent, again and again;
//! * a verb of an older term is refused;
//! * a planned end asks for a successor first;
//! * clients that ask for the primary as they would ask a Sentinel are told what is so, or that it is not known;
//! * backups are taken beside all that, and decide about nothing.
//!
//! Left to others: which instance is promoted (the operator), and where clients find it.

pub mod access;
pub mod backups;
pub mod client;
pub mod command;
pub mod import;
pub mod lease;
pub mod restore;
pub mod run;
pub mod settings;
pub mod status;
pub mod users;

mod certificate;
mod clock;
mod consent;
mod executor;
mod guard;
mod health;
mod in_force;
mod instance;
mod kernel;
mod memory;
mod metrics;
mod observe;
mod peer;
mod probe;
mod process;
mod program;
mod progress;
mod reload;
mod second_server;
mod sentinel;
mod server_config;
mod shutdown;
mod silent;
mod space;
mod stored;
mod tls;
mod unauthenticated;
mod verbs;
mod worker;
