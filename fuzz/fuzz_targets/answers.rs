//! The target `answers`; what it does is in `tests/fuzz/targets/answers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| valkeeper_fuzz::targets::run("answers", input));
