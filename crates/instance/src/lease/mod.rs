//! The lease of a cluster, behind one trait: written on condition of its version, by its holder or its next one.
//!
//! Guarantees: a write takes effect only if the lease still has the version that is named; whatever is not known
//! to have had no effect is answered as unknown.

mod file;
mod kubernetes;

pub use file::FileLease;
pub use kubernetes::{KubernetesLease, reading};

use std::pin::Pin;
use valkeeper_failover::{Identity, Term, manager::LeaseAnswer, protocol::Peers};

/// The answer to come.
pub type LeaseFuture<'store> = Pin<Box<dyn Future<Output = LeaseAnswer> + Send + 'store>>;

/// A lease.
pub trait LeaseStore: Send + Sync {
    /// Reads it.
    fn read(&self) -> LeaseFuture<'_>;

    /// Writes it if it has this version; no holder releases it. The peers are those whose consent the holder may go on with.
    fn write(&self, version: u64, term: Term, holder: Option<Identity>, peers: Peers) -> LeaseFuture<'_>;
}

/// No lease at all: nobody can take it.
#[derive(Clone, Copy, Debug)]
pub struct NoLease;

impl LeaseStore for NoLease {
    fn read(&self) -> LeaseFuture<'_> {
        Box::pin(std::future::ready(LeaseAnswer::Unknown))
    }

    fn write(&self, _: u64, _: Term, _: Option<Identity>, _: Peers) -> LeaseFuture<'_> {
        Box::pin(std::future::ready(LeaseAnswer::Conflict))
    }
}
