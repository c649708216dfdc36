//! The environment of the operator for tests and the sandbox, in one process on loopback. It has the provider's HTTP
//! API ([`provider`]) and the servers behind its services ([`servers`]). Faults ([`faults`]) disturb calls to it and
//! to Kubernetes, and nodes ([`node`]) run pods as processes. A checker of histories ([`history`]) judges writes of
//! servers. [`certificates`] has an authority for tests. Backups go to servers of buckets ([`s3`], [`azure`]; [`google`] says what
//! there is of Google's); an agent gives pods an identity there ([`identity_agent`]). [`tools`] finds the optional tools of the machine.

pub mod azure;
mod bucket_server;
pub mod certificates;
pub mod chart;
pub mod envtest;
pub mod faults;
pub mod google;
pub mod history;
pub mod identity_agent;
pub mod node;
pub mod provider;
pub mod recipes;
pub mod s3;
pub mod servers;
pub mod tools;
