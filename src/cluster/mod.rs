//! The Kubernetes side: reading and patching custom resources, Secrets and events. Every call has a
//! time limit, none is retried here, and every write is either server-side apply under a manager name
//! of its concern or a patch that fails when the object has changed in between. `spec` is never written.

pub mod claims;
mod client;
pub mod data_objects;
mod error;
pub mod events;
pub mod leases;
pub mod metadata;
pub mod objects;
mod proxy;
pub mod secrets;
pub mod status;
pub mod token_secret;

pub use client::connect;
pub use error::ClusterError;

pub(crate) use error::bounded;

use kube::{Resource, ResourceExt as _};

/// The version of an object as a number; they can be compared since Kubernetes 1.35.
pub(crate) fn version(object: &impl Resource) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// Field managers, one per concern, so that the fields of one writer are never dropped by another.
pub mod managers {
    /// Finalizers and annotations of custom resources.
    pub const METADATA: &str = "valkeeper";
    /// Their status.
    pub const STATUS: &str = "valkeeper/status";
    /// What belongs to self-hosted clusters.
    pub const OBJECTS: &str = "valkeeper/objects";
    /// Connection Secrets.
    pub const SECRET: &str = valkeeper_api::names::SECRET_MANAGER;
}
