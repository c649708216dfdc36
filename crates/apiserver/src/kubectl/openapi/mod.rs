//! OpenAPI documents for `kubectl` and for the server itself: the schemas of the built-in kinds and of the
//! kinds that `CustomResourceDefinition`s define. Enough for `kubectl explain`, `apply` and server-side
//! field validation; query parameters that no client reads from here are left out.

mod document;
mod operations;
#[cfg(test)]
mod tests;

pub use document::{v2, v3, v3_index};
