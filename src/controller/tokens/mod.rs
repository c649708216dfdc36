//! Tokens for the provider: where the one for a resource is, those that were read lately, and those that the
//! provider does not accept at present.

pub(super) mod cache;
pub(super) mod pauses;
mod read;
mod source;

pub(super) use read::{OF_OPERATOR, Sourced, token};
pub(super) use source::{TokenSource, misplaced_connection, secret};
