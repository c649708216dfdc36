//! Read-only commands. They write nothing anywhere: both clients are behind a fence that is closed from the start and
//! admits only reads. What the API server would do with a manifest is asked of it as a dry run, which stores nothing.
//!
//! ```text
//! Connection (flags) -> Session (clients, namespace) -> find (resources) -> controller::preview (what would be done)
//! ```

pub(super) mod backups;
pub(super) mod doctor;
mod find;
pub(super) mod import;
mod kinds;
pub(super) mod migrate;
pub(super) mod plan;
pub(super) mod report;
mod session;
pub(super) mod status;
mod table;
