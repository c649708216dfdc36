//! Everything valkeeper talks to, embedded in one process on loopback: a Kubernetes API server
//! ([`kube`]) and the provider's HTTP API ([`provider`]), with faults in the way of both ([`faults`]).

pub mod chart;
pub mod envtest;
pub mod faults;
pub mod kube;
pub mod provider;
pub mod servers;
