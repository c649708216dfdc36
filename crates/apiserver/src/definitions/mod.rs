//! The schemas of the built-in kinds, and what cannot be decoded by them. Guarantees that a schema and the decoder that
//! goes with it say the same; how they are published is up to [`kubectl::openapi`](crate::kubectl::openapi).

mod decode;
mod schemas;

pub use decode::{decode_error, metadata_decode_error};
pub use schemas::builtin_schema;
pub(crate) use schemas::{DEFINITIONS, REFERENCE, contained};
