//! The failover protocol of a self-hosted cluster, as two pure state machines:
//!
//! ```text
//!            operator                          manager (one beside each server)
//!   observe lease, then statuses        Held ──Promote──▶ Taking ──lease──▶ Promoting ──▶ Primary
//!   decide ─Hold/Promote/Kick/Follow─▶   ▲                                                   │
//!                                        └──── Fencing ◀── Hold, deadline, lost lease ───────┘
//! ```
//!
//! [`manager`] decides what an instance may do; [`operator`] decides which verb to send next, from what an
//! [`observer`] has noted. All are total and take time as an argument. Guaranteed by the pair, and checked by the model in `tests/`:
//!
//! * no two instances ever hold one term;
//! * no instance accepts writes before its predecessor has stopped accepting them;
//! * no instance accepts writes at boot.
//!
//! Left to others: sending verbs, writing the lease, talking to servers, reading clocks.

pub mod election;
pub mod manager;
pub mod observer;
pub mod operator;
pub mod protocol;

pub use protocol::{Identity, Name, Position, Term};
