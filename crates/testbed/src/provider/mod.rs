//! The provider's HTTP API, simulated: an in-memory account with projects, services, backups,
//! integrations, users and VPCs behind the same paths, statuses and messages as the real thing.
//! Guarantees that every behaviour which is not settled by documentation is a knob ([`Unknowns`]),
//! that every error can be provoked ([`ProviderHandle::fail_next`]) and that every request is
//! counted ([`ProviderHandle::requests`]). Real servers behind the services come
//! from [`crate::servers`], on request ([`Engine`]).

mod backing;
mod call;
mod catalogue;
mod clock;
mod console;
mod content;
mod control;
mod disturbances;
mod faults;
mod foreign;
mod handle;
mod interventions;
mod journal;
mod late;
mod lifecycle;
mod listener;
mod log;
mod normalize;
mod options;
mod outcome;
mod pipeline;
mod planned;
mod project;
mod render;
mod routes;
mod schema;
mod secret;
mod server;
mod service;
mod supervisor;
mod world;

pub use catalogue::{Cloud, Plan, ServiceType};
pub use content::Content;
pub use disturbances::{FOREIGN_SERVICES, FOREIGN_TAG};
pub use faults::{Fault, Matcher};
pub use handle::ProviderHandle;
pub use log::RequestRecord;
pub use options::{
    CreateOnlyOnUpdate, DefaultSecrets, DeniedSecrets, EndpointFormat, NameQuoting, PowerOffWithoutBackup,
    PoweredOffConnection, PoweredOffUpdates, UnknownKeys, Unknowns,
};
pub use options::{Engine, ProviderOptions, RateLimit, TokenSpec};
pub use server::ProviderServer;
