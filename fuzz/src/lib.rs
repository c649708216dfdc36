//! The targets of `tests/fuzz`, for the fuzzer.

#[path = "../../tests/fuzz/targets/mod.rs"]
pub mod targets;
