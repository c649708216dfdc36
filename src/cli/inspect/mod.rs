//! Read-only commands. They write nothing anywhere: both clients are behind a fence that is closed from the start and
//! admits only reads.
//!
//! ```text
//! Connection (flags) -> Session (clients, namespace) -> find (resources) -> controller::preview (what would be done)
//! ```

pub(super) mod backups;
pub(super) mod doctor;
mod find;
pub(super) mod import;
pub(super) mod migrate;
pub(super) mod plan;
pub(super) mod report;
mod session;
pub(super) mod status;
mod table;
