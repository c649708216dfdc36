//! The provider's HTTP API: a typed client for the calls an operator of Valkey and Redis services
//! makes. It guarantees that every call ends within its time limit, that an answer never grows beyond
//! its size limit, that tokens and passwords reach no message, and that every failure has a
//! [`Class`](crate::failure::Class). It never retries: when to try again is the caller's decision.

mod address;
mod answer;
mod breaker;
mod call;
mod client;
mod error;
mod limits;
mod listing;
mod noted;
mod redaction;
mod service;
mod token;
mod vpcs;

pub use address::{Address, AddressError};
pub use client::{Client, Limits, Reference};
pub use error::ProviderError;
pub use listing::{Heading, Listing};
pub use service::{
    Backup, Component, Integration, MaintenanceWindow, Migration, Notification, NotificationMetadata,
    PendingUpdate, Service, TechnicalEmail,
};
pub use token::{Token, TokenError};
pub use vpcs::Vpc;
