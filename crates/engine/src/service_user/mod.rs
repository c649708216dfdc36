//! Decisions about a `ServiceUser`. Aiven gives a user no identity but its name, and no tag. So the operator records the
//! intent to create one first; a user that is there without such a record has another owner.
//!
//! ```text
//!                   Note(Requested)              Create: answered, or seen later
//!   nothing ───────────────────────▶ requested ─────────────────────────────────▶ created
//!      ▲                              │  ▲  │                                      │
//!      │ Create: certainly refused    │  └──┘ Create: no answer, certainly absent  │ certainly absent:
//!      └────── Note(Refused) ─────────┘                                            │ Note(Requested)
//!                                     ▲                                            │
//!                                     └────────────────────────────────────────────┘
//! ```
//!
//! A user that is this resource's own gets its password, its access control and its Secret, one step at a time. The Secret is
//! given only a password that Aiven has reported, or accepted.
//!
//! Architecture invariant: no step creates, changes or deletes a user without a record that it is this resource's own, and
//! none deletes one that another resource manages; the finalizer is released only from a live object.

mod access;
mod connection;
mod decide;
mod decision;
mod deletion;
mod desired;
mod existing;
mod observed;
mod obstacles;
mod password;
mod status;
mod step;

pub use access::{Access, record};
pub use decide::decide;
pub use desired::DesiredServiceUser;
pub use observed::{
    Claim, Claims, ObservedServiceUser, PasswordSeen, SeenService, SeenServiceUser, ServiceOfUser,
    UserOfService,
};
pub use status::{Note, noted, reported};
pub use step::{ServiceUserStep, ServiceUserTarget};

#[cfg(test)]
mod tests;
