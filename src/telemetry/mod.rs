//! What the operator tells about itself: logs and metrics.

pub mod fleet;
pub mod logs;
pub mod metrics;
mod process;
pub mod repeats;
mod series;
