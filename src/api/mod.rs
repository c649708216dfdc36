//! The custom resources: their Rust types, schemas and rules.
