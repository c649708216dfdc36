//! What `kubectl` asks a server for besides objects: discovery and schemas. Tables and protobuf are beside it.

pub(crate) mod discovery;
pub mod openapi;
