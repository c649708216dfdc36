//! Decisions about self-hosted clusters: from what a `ValkeyCluster` asks for ([`Desired`]) and what was seen
//! ([`Observed`]) to the one next thing to do ([`decide()`]).
//!
//! ```text
//!   failover ──▶ foundations ──▶ power ──▶ instances ──▶ rollout ──▶ settings ──▶ Secret
//!   (verbs,       (passwords,               (claims,      (one pod     (reload)
//!    role labels)  certificates,             pods)         at a time)
//!                  Services, settings)
//! ```
//!
//! The first concern that can act does, with at most one external change; what the others find makes the
//! condition. Everything is synchronous and total, without I/O, clocks or randomness: time is part of what was
//! observed. Which verb comes next is decided by `valkeeper-failover`; performing a step is left to the
//! controller. [`mod@convert`] reads manifests of other operators.

mod access;
pub mod backup;
mod concern;
pub mod convert;
mod decide;
mod deletion;
mod desired;
mod difference;
mod durability;
pub mod effects;
mod event;
mod failover;
pub mod final_backup;
mod foundations;
mod instances;
mod lease_mode;
mod members;
pub mod names;
mod network;
mod objects;
mod observed;
pub mod parameters;
mod pod;
mod pod_seen;
pub mod quantity;
mod report;
pub mod resize;
mod restore;
mod rollout;
pub mod scheduled;
mod serving;
mod settings;
mod settings_change;
mod spread;
mod status;
mod step;
mod times;
mod update_window;
pub mod user;
pub mod verification_pod;
mod volumes;

pub use access::{Access, AccessChange, AccessSeen, Stage, Wanted, may_serve};
pub use decide::decide;
pub use desired::{Defaults, Desired};
pub use difference::contains;
pub use event::{Event, of as event};
pub use members::{policy, reading};
pub use objects::{Owned, OwnedKind, owned, unwanted};
pub use observed::{
    BackupsSeen, Certificates, ClaimSeen, InstanceSeen, LeaseSeen, ObjectSeen, Observed, Password,
    RestoreSeen, RestoreSource, TlsSeen,
};
pub use pod::{claim, pod, resources_patch, revision, successor};
pub use pod_seen::{PodSeen, Problem, has_terminated, problem};
pub use report::ClusterReport;
pub use serving::{
    Pair, Serve, Serving, ServingSeen, SourceSeen, hosts as certificate_hosts, reaches_clients as has_tls,
};
pub use settings::{bytes, digest, max_memory};
pub use status::next as next_status;
pub use step::{Decision, PromotionCause, RequeueClass, Step};
pub use times::utc;
pub use volumes::is_growing;

#[cfg(test)]
mod tests;
