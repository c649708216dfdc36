//! The target `kubernetes`; what it does is in `tests/fuzz/targets/kubernetes.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| valkeeper_fuzz::targets::run("kubernetes", input));
