//! The pure core: from what a custom resource asks for ([`Desired`]) and what was seen
//! ([`Observed`]) to the one next thing to do ([`decide`]). Everything here is synchronous and total,
//! without I/O, clocks or async; time comes in as an argument. Performing a [`Step`], and looking
//! again afterwards, is the controller's part.

pub mod backoff;
pub mod conditions;
pub mod connection;
mod decide;
mod deletion;
mod desired;
mod diff;
pub mod facts;
mod kstatus;
mod observed;
mod report;
mod secret_target;
mod step;
mod user_config;

pub use decide::decide;
pub use desired::{DeletionPolicy, Desired, Vpc};
pub use observed::{
    Connection, ConnectionSecret, Maintenance, Observed, ObservedService, Power, Remote, Replica,
    ServiceState,
};
pub use report::{Failure, Ready, Report};
pub use secret_target::SecretTarget;
pub use step::{CreateRequest, Decision, Pace, ServicePatch, Step};

#[cfg(test)]
mod tests;
