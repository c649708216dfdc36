//! The kinds that are served without a `CustomResourceDefinition`: their names, defaults and validation.
//! Everything here is a function of the objects at hand; what needs other objects (a namespace that must
//! exist, a cluster address that must be free) is left to the server.

pub mod events;
pub mod metadata;
mod prepare;
mod resources;

pub use prepare::{prepare_create, prepare_update};
pub use resources::{BuiltinResource, resources};
