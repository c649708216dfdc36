//! Times that people read, and at which certificates are renewed. Nothing about terms is decided by them.

use chrono::{DateTime, Utc};

/// Now, on the wall clock.
pub(in crate::controller) fn now() -> DateTime<Utc> {
    Utc::now()
}
