//! The target `manifests`; what it does is in `tests/fuzz/targets/manifests.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| valkeeper_fuzz::targets::run("manifests", input));
