//! Requests of `kubectl` besides objects: discovery and schemas. Tables and protobuf are beside it.

pub(crate) mod discovery;
pub mod openapi;
