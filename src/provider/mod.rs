//! The provider's HTTP API: a typed client for the calls an operator of Valkey and Redis services
//! makes. It guarantees that every call ends within its time limit, that an answer never grows beyond
//! its size limit, that tokens and passwords reach no message, and that every failure has a
//! [`Class`](valkeeper_engine::failure::Class). It never retries: when to try again is the caller's decision.

mod address;
mod answer;
mod breaker;
mod call;
mod catalogue;
mod client;
mod elements;
mod error;
mod lenient;
mod limits;
mod listing;
mod noted;
mod projects;
mod redaction;
mod refusal;
mod service;
mod services;
#[cfg(test)]
mod tests;
mod token;
mod users;
mod vpcs;

pub use address::{Address, AddressError};
pub use call::Reference;
pub use client::{Client, Limits};
pub use elements::{Heading, Listed};
pub use error::ProviderError;
pub use listing::Listing;
pub use refusal::{Absence, Refusal};
pub use service::{
    Backup, Component, Integration, MaintenanceWindow, Migration, Notification, NotificationMetadata,
    PendingUpdate, Service, TechnicalEmail,
};
pub use services::Found;
pub use token::{Token, TokenError};
pub use users::{FoundWithUsers, User};
pub use vpcs::Vpc;
