//! What an instance has on its disk of what it remembers.
//!
//! Guarantees: one write follows the other, and none replaces what is newer.

use crate::instance::Instance;
use std::time::Duration;
use valkeeper_failover::Term;

impl Instance {
    /// Writes to the disk what is to be remembered. One write follows the other: none replaces what is newer.
    pub(crate) async fn store_memory(&self) {
        let _one_at_a_time = self.stored.0.lock().await;
        let (file, memory) = (self.memory_file.clone(), self.memory().clone());
        let seen = memory.seen;
        let stored = tokio::task::spawn_blocking(move || file.store(&memory)).await;
        match stored {
            Ok(Ok(())) => drop(self.stored.1.send_replace(seen)),
            Ok(Err(error)) => tracing::error!(%error, "cannot store memory of instance"),
            Err(error) => tracing::error!(%error, "cannot store memory of instance"),
        }
    }

    /// The highest term on the disk.
    pub(crate) fn stored_term(&self) -> Term {
        *self.stored.1.borrow()
    }

    /// Waits, at most this long, until the highest term that was seen is on the disk; whether it is.
    pub(crate) async fn remembers(&self, patience: Duration) -> bool {
        let seen = self.manager().seen();
        let mut stored = self.stored.1.subscribe();
        let stored = stored.wait_for(|stored| *stored >= seen);
        matches!(tokio::time::timeout(patience, stored).await, Ok(Ok(_)))
    }
}
