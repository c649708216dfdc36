//! A turn that has begun: the resource, and what is known when work on it begins.

use super::{memory::Memory, schedule::queue::Permit, survey::Listed};

/// A turn that has begun.
pub(super) struct Turn<K> {
    pub(super) object: K,
    pub(super) memory: Memory,
    /// The service as a list showed it.
    pub(super) listed: Option<Listed>,
    pub(super) permit: Permit,
}
