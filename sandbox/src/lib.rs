//! Everything valkeeper talks to, embedded in one process on loopback: a Kubernetes API server
//! ([`kube`]) and the provider's HTTP API ([`provider`]).

pub mod envtest;
pub mod kube;
pub mod provider;
pub mod servers;
