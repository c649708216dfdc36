//! The target `patches`; what it does is in `tests/fuzz/targets/patches.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| valkeeper_fuzz::targets::run("patches", input));
