//! The fuzz targets: functions that take any bytes and panic when a promise is broken. `cargo test --test fuzz`
//! feeds them the corpus and mutations of it; `fuzz/` feeds them what a coverage-guided fuzzer comes up with.

mod answers;
mod draw;
mod kubernetes;
mod manifests;
mod patches;
mod resources;
mod schemas;
mod servers;

/// A target: its name, which is also the folder of its corpus, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("answers", answers::run),
    ("kubernetes", kubernetes::run),
    ("manifests", manifests::run),
    ("patches", patches::run),
    ("resources", resources::run),
];

/// The target of this name.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name).expect("a known target");
    (target.1)(input);
}
