//! The target `resources`; what it does is in `tests/fuzz/targets/resources.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| valkeeper_fuzz::targets::run("resources", input));
