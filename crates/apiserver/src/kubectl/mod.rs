//! Requests of `kubectl` besides objects: discovery, schemas, tables, and answers in protobuf.

pub(crate) mod discovery;
pub mod jsonpath;
pub mod openapi;
pub(crate) mod protobuf;
pub mod table;
