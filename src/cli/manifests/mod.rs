//! Reads manifest files the way `kubectl` does: the same documents, the same values, the same refusals.
//!
//! ```text
//! bytes -> text (byte order marks) -> documents (split at ---) -> tree (with positions) -> JSON value
//! ```
//!
//! `kubectl` follows YAML 1.1 with the peculiarities of its Go library. The table of `tests/api/texts.rs` compares
//! every case with a real `kubectl`.

mod documents;
mod node;
mod problem;
mod scalar;
mod text;
mod tree;

pub(super) use self::{
    documents::{Document, read},
    text::decode,
};
