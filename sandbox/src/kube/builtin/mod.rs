//! The kinds that are served without a `CustomResourceDefinition`: their names, defaults and validation.
//! Everything here is a function of the objects at hand; what needs other objects (a namespace that must
//! exist, a cluster address that must be free) is left to the server.

mod access;
mod admission;
mod configuration;
mod custom_resource;
mod deployments;
mod disruption_budgets;
pub mod events;
mod label_selectors;
mod leases;
pub mod metadata;
pub(crate) mod names;
mod namespaces;
mod network_policies;
mod pod_templates;
mod prepare;
mod resources;
mod services;
#[cfg(test)]
mod tests;

pub use custom_resource::establish;
pub use prepare::{prepare_create, prepare_part, prepare_update};
pub use resources::{BuiltinResource, resources};
pub use services::{needs_cluster_ip, set_cluster_ip};
