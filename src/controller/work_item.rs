//! A reconciliation that has begun: the resource, and its recorded state at the start.

use super::{memory::Memory, project_poll::Listed, schedule::queue::Permit};

/// A reconciliation that has begun.
pub(super) struct WorkItem<K> {
    pub(super) object: K,
    pub(super) memory: Memory,
    /// The service as a list showed it.
    pub(super) listed: Option<Listed>,
    pub(super) permit: Permit,
}
