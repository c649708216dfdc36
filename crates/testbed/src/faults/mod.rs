//! Faults by plan. Every call of an operator, to Kubernetes and to the provider alike, gets a number from one
//! counter. A [`Schedule`] states which fault happens at which number, and which [`Disturbance`] lasts all along. A
//! schedule prints as one line that [`Schedule::parse`] reads back, and a log keeps every call with its outcome. The
//! caller ends and restarts the operator when the plan reports a crash.

mod disturbance;
mod kubernetes;
mod mode;
mod news;
mod page;
mod plan;
mod schedule;

pub use disturbance::Disturbance;
pub use kubernetes::{FaultLayer, FaultyService};
pub use mode::Mode;
pub use news::News;
pub use plan::{CallRecord, Disturbed, FaultPlan, Inspector, Request, Side};
pub use schedule::{Lane, Place, Schedule};

pub(crate) use page::proxy_page;
pub(crate) use plan::Started;
