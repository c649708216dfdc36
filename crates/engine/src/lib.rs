//! The pure core: computes the next action ([`decide`]) from the desired state ([`Desired`]) and the observed state
//! ([`Observed`]). Everything here is synchronous and total, without I/O, clocks or async; time is an argument. The
//! controller performs the [`Step`] and observes again afterwards.

pub mod absence;
pub mod backoff;
mod bookkeeping;
mod claim;
mod concern;
pub mod conditions;
pub mod config_map;
mod config_map_concern;
pub mod connection;
mod creation;
mod decide;
pub mod declared;
mod deletion;
mod desired;
mod difference;
mod drift;
mod escape;
mod existence;
pub mod existing_secret;
pub mod facts;
pub mod failure;
mod handover;
mod handover_report;
mod kstatus;
mod leftover;
mod maintenance;
mod migration;
mod network;
mod normal;
mod object_metadata;
mod observed;
pub mod orphans;
mod outstanding;
mod ownership;
mod policies;
mod power;
mod power_schedule;
pub mod preview;
mod recording;
mod refusal;
mod report;
mod request;
mod route;
mod scheduled_power;
mod secret;
mod secret_target;
pub mod service_user;
mod settings;
mod shape;
mod shape_concern;
mod source;
mod spec;
mod step;
pub mod sync;
mod tags;
mod token;
mod token_release;
mod violations;
pub mod vpc;

pub use decide::decide;
pub use desired::{Desired, SourceReference, Vpc};
pub use migration::remembered as remembered_migration;
pub use observed::{
    Connection, ConnectionConfigMap, ConnectionSecret, Maintenance, MigrationState, Observed,
    ObservedService, Power, Predecessor, Remote, Replica, ServiceState, Source, Successor, VpcReference,
};
pub use outstanding::{Sent, outstanding};
pub use policies::{Defaults, DeletionPolicy, Policies};
pub use recording::remembered;
pub use refusal::{Failure, Refusal, Request};
pub use report::{DriftSeen, MigrationNote, Ready, Report};
pub use request::{CreateRequest, ServicePatch, TagPatch, Target};
pub use route::{Route, RoutedEndpoint};
pub use scheduled_power::ScheduledPower;
pub use secret_target::{KindOfSecret, SecretTarget, UsualKeys, of as secret_target};
pub use step::{Decision, RequeueClass, Step};

#[cfg(test)]
mod tests;
