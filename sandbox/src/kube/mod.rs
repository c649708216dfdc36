//! A Kubernetes API server, small and in memory, for development and tests.

pub mod builtin;
pub mod field_error;
pub mod jsonpath;
#[cfg(test)]
mod observed;
pub mod openapi;
pub mod schema;
pub mod table;
