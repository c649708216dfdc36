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
mod drift;
pub mod facts;
mod kstatus;
mod migration;
mod network;
mod observed;
pub mod orphans;
mod ownership;
mod policies;
mod power;
mod report;
mod secret_target;
mod source;
mod step;
mod update;
mod user_config;
pub mod vpc;

pub use decide::decide;
pub use desired::{Desired, Vpc};
pub use drift::summary as drift_summary;
pub use network::VpcReference;
pub use observed::{
    Connection, ConnectionSecret, Maintenance, MigrationState, Observed, ObservedService, Power, Remote,
    Replica, ServiceState, Source,
};
pub use policies::{Defaults, DeletionPolicy, Policies};
pub use report::{DriftSeen, Failure, MigrationNote, Ready, Report};
pub use secret_target::{SecretTarget, of as secret_target};
pub use source::SourceReference;
pub use step::{CreateRequest, Decision, Pace, ServicePatch, Step};

#[cfg(test)]
mod tests;
