//! What tests and the sandbox run the operator against, in one process on loopback: the provider's HTTP API
//! ([`provider`]), the servers behind its services ([`servers`]), and faults in the way of its calls and of
//! those to Kubernetes ([`faults`]); and nodes that run pods as processes ([`node`]). A checker of histories judges
//! what servers did to writes ([`history`]). Finds the optional tools of the machine ([`tools`]).

pub mod chart;
pub mod envtest;
pub mod faults;
pub mod history;
pub mod node;
pub mod provider;
pub mod servers;
pub mod tools;
