//! The schema of a custom resource: what may be in an object, what is filled in and what is dropped.
//! Works on the `openAPIV3Schema` of one version of a `CustomResourceDefinition`, as JSON, and answers with
//! the API server's errors. Storing, versions and conversion are left to the server.

mod cel;
mod definition;
mod formats;
mod list_types;
mod numbers;
mod references;
mod rules;
mod structural;
mod structure;
#[cfg(test)]
mod tests;
mod types;
mod validate;

pub use definition::check_crd;
pub use numbers::without_empty_fractions;
pub use structure::{default, prune, unknown_fields};
pub use validate::CompiledSchema;
