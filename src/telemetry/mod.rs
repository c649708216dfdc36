//! The operator's own telemetry: logs, metrics and traces.

pub mod backups;
pub mod fleet;
pub mod logs;
pub mod metrics;
mod process;
pub mod repeats;
mod series;
pub mod traces;
