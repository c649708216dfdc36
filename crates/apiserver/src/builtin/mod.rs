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
mod namespaces;
mod network_policies;
mod nodes;
mod pod_templates;
pub(crate) mod pods;
mod prepare;
pub(crate) mod quantities;
mod resources;
mod services;
#[cfg(test)]
mod tests;
mod volumes;

pub use custom_resource::establish;
pub(crate) use label_selectors::matches as label_selector_matches;
pub(crate) use prepare::prepare_resize;
pub use prepare::{prepare_create, prepare_part, prepare_update};
pub use resources::{BuiltinResource, resources, subresource_verbs};
pub use services::{needs_cluster_ip, set_cluster_ip};
