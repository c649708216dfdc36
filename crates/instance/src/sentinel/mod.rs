//! The protocol of Sentinel, answered by the manager: clients of set-ups with Sentinel find the primary unchanged.
//!
//! ```text
//!   client ──bytes──▶ connection ──words──▶ session (pure) ──question──▶ truth: own role, or the primary itself
//!                         ▲                                                │
//!                         └── answers (pure) ◀──────── topology ───────────┤
//!   subscribers ◀── events: +switch-master, +slave, +sdown, -sdown ◀───────┘
//! ```
//!
//! Architecture invariant: no answer names a primary that was none at any moment between the question and the answer. A
//! manager whose instance is the primary knows it by its lease; the manager of a replica asks the server that it
//! follows whether it accepts writes; every other manager, and one that gets no answer, says that it does not know.
//!
//! Guarantees: nothing that is asked here changes anything; what a client may send before it has authenticated is
//! bounded in size and time.
//!
//! Left to others: deciding about the primary. No Sentinel runs, and managers do not vote.

mod answers;
mod asked;
mod commands;
mod connection;
mod events;
mod glob;
mod listener;
mod session;
mod topology;
mod truth;

pub(crate) use listener::run;
