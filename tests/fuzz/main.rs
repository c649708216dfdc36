//! Every fuzz target over its corpus and over a bounded number of mutations of it, the same in every run.
//! `VALKEEPER_FUZZ=100000` makes more of them, `VALKEEPER_FUZZ_SEED=7` different ones. A failure leaves its input in
//! `target/fuzz-failure-TARGET`. `fuzz/run` is the way to fuzz for longer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken promise ends the test")]
#![allow(unreachable_pub, reason = "the fuzzer uses the same files from another crate")]

mod mutate;
mod targets;

use mutate::{Numbers, mutate};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The inputs of a target that are kept, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(repository("tests/fuzz/corpus").join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Tries an input, and keeps it if it breaks a promise.
fn attempt(target: &str, input: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| targets::run(target, input)) {
        let kept = repository("target").join(format!("fuzz-failure-{target}"));
        fs::write(&kept, input).unwrap();
        eprintln!("the input is in {}", kept.display());
        std::panic::resume_unwind(panic);
    }
}

fn bounded(target: &str, mutations: u64) {
    let (started, inputs) = (Instant::now(), corpus(target));
    assert!(!inputs.is_empty(), "no corpus for {target}");
    for input in &inputs {
        attempt(target, input);
    }
    let mut numbers = Numbers::seeded(number("VALKEEPER_FUZZ_SEED", 1));
    let mutations = number("VALKEEPER_FUZZ", mutations);
    for _ in 0..mutations {
        let (one, other) = (numbers.below(inputs.len()), numbers.below(inputs.len()));
        attempt(target, &mutate(&mut numbers, &inputs[one], &inputs[other]));
    }
    println!("{target}: {} inputs and {mutations} mutations in {:?}", inputs.len(), started.elapsed());
}

#[test]
fn answers_of_the_provider() {
    bounded("answers", 1000);
}

#[test]
fn requests_to_the_kubernetes_api() {
    bounded("kubernetes", 100);
}

#[test]
fn manifests_to_be_checked() {
    bounded("manifests", 1000);
}

#[test]
fn patches_by_several_writers() {
    bounded("patches", 100);
}

#[test]
fn resources_from_manifest_to_provider() {
    bounded("resources", 400);
}

#[test]
fn every_target_can_be_fuzzed_for_longer() {
    let package = fs::read_to_string(repository("fuzz/Cargo.toml")).unwrap();
    let folders = fs::read_dir(repository("tests/fuzz/corpus")).unwrap().count();
    assert_eq!(folders, targets::TARGETS.len(), "one corpus for every target");
    for (target, _) in targets::TARGETS {
        let source = fs::read_to_string(repository(&format!("fuzz/fuzz_targets/{target}.rs"))).unwrap();
        assert!(source.contains(&format!("run(\"{target}\"")), "{target}");
        assert!(package.contains(&format!("name = \"{target}\"")), "{target}");
    }
}
