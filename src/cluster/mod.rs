//! The Kubernetes side: reading and patching custom resources, Secrets and events. Every call has a
//! time limit, none is retried here, and every write is either server-side apply under a manager name
//! of its concern or a patch that fails when the object has changed in between. `spec` is never written.

mod client;
mod error;
pub mod events;
pub mod metadata;
mod secret_leftover;
pub mod secrets;
pub mod status;
pub mod token_secret;

pub use client::connect;
pub use error::ClusterError;

pub(crate) use error::bounded;

/// Field managers, one per concern, so that the fields of one writer are never dropped by another.
pub mod managers {
    /// Finalizers and annotations of custom resources.
    pub const METADATA: &str = "valkeeper";
    /// Their status.
    pub const STATUS: &str = "valkeeper/status";
    /// Connection Secrets.
    pub const SECRET: &str = "valkeeper/secret";
}
