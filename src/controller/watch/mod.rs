//! From the Kubernetes API to the store: what is watched, kept small, and set aside if it cannot be decoded.

pub(super) mod cached;
pub(super) mod decode;
pub(super) mod malformed;
pub(super) mod owners;
pub(super) mod secrets;
pub(super) mod store;
pub(super) mod sync;
