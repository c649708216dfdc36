//! Decisions about a `ProjectVPC`. Aiven neither names nor tags a VPC. So the operator records the intent to create
//! one first, and the identifier as soon as it is available. A lost answer then leads to the VPC that was created,
//! and a VPC of another owner is never mistaken for it.
//!
//! ```text
//!                     Note(Requested)              Create: answered, or listed later
//!   nothing ─────────────────────────▶ requested ─────────────────────────────────▶ identifier
//!      ▲                                │  ▲  │                                        (stays)
//!      │  Create: certainly refused     │  └──┘ Create: no answer, and certainly absent
//!      └──────── Note(Refused) ─────────┘
//! ```
//!
//! Architecture invariant: no step creates a VPC without a note of it in the status; the finalizer is released
//! only from a live object, and only when no VPC of the resource is left or can still come into being.

mod decide;
mod deletion;
mod desired;
mod existing;
mod locate;
mod observed;
mod status;
mod step;

pub use decide::decide;
pub use desired::DesiredVpc;
pub use locate::is_listed;
pub use observed::{ObservedVpc, SeenVpc};
pub use status::{Note, noted, reported};
pub use step::{VpcStep, VpcTarget};

#[cfg(test)]
mod tests;
