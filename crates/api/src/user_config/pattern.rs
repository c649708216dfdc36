//! Regular expressions of the schemas, compiled once.
//!
//! The dialect is RE2 with search semantics, which the API server uses and the `regex` crate shares.

use std::sync::LazyLock;

use regex::Regex;

/// Name of a service at the provider.
pub static SERVICE: LazyLock<Regex> = LazyLock::new(|| compile(r"^[a-z][-a-z0-9]+$"));
/// Name of a project at the provider.
pub static PROJECT: LazyLock<Regex> = LazyLock::new(|| compile(r"^[a-zA-Z0-9_-]+$"));
/// A disk size with an optional unit.
pub static DISK_SPACE: LazyLock<Regex> = LazyLock::new(|| compile(r"(?i)^[1-9][0-9]*(GiB|G)?$"));
/// An e-mail address.
pub static EMAIL: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$"));

/// Compiles a pattern that is a constant of this program. The generator refuses schema patterns that do not
/// compile, and a test forces every other one.
#[expect(clippy::expect_used, reason = "constants, each of them compiled by a test")]
pub(super) fn compile(pattern: &'static str) -> Regex {
    Regex::new(pattern).expect("a constant pattern compiles")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert!(PROJECT.is_match("my_project-1"));
        assert!(DISK_SPACE.is_match("90gib"));
        assert!(EMAIL.is_match("a.b+c@example.com"));
    }
}
