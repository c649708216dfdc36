//! High availability: at most one replica works at a time, and a replica that lost its place writes
//! nothing any more. [`lease`] decides who works; [`fence`] holds every write to that decision.

pub mod fence;
pub mod lease;

#[cfg(test)]
mod tests;

pub use fence::{Fence, Fenced};
pub use lease::{Candidate, Timing};
