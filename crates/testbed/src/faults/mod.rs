//! Faults by plan: every call of an operator, to Kubernetes and to the provider alike, gets a number from
//! one counter, and a [`Schedule`] says what goes wrong at which number, and which [`Disturbance`] lasts all
//! along. Guarantees that a schedule prints as one line which [`Schedule::parse`] reads back, and that every call is kept in a log with what became
//! of it. It leaves it to the caller to end and restart the operator when the plan says that it crashed.

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
