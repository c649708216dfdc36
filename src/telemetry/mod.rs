//! What the operator tells about itself: logs.

pub mod logs;
