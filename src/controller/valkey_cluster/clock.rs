//! Times that people read, at which certificates are renewed, and at which schedules switch. Nothing about terms is
//! decided by them.

use chrono::{DateTime, Utc};

/// Now, on the wall clock.
pub(in crate::controller) fn now() -> DateTime<Utc> {
    Utc::now()
}
