//! Versions of groups: how they are written and which is better.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// `v1` or `group/v1`.
pub(crate) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The versions, the best one first.
pub(crate) fn best_first(versions: BTreeSet<&str>) -> Vec<&str> {
    let mut versions: Vec<_> = versions.into_iter().collect();
    versions.sort_by_key(|version| Reverse(version_order(version)));
    versions
}

/// How Kubernetes ranks versions: `v2`, `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, then anything else.
pub(crate) fn version_order(name: &str) -> (u8, u64, u64, Reverse<String>) {
    let other = (0, 0, 0, Reverse(name.to_owned()));
    let Some(rest) = name.strip_prefix('v') else { return other };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, stage) = rest.split_at(digits);
    let Ok(major) = major.parse() else { return other };
    let ranked = |rank, minor| (rank, major, minor, Reverse(String::new()));
    if stage.is_empty() {
        return ranked(3, 0);
    }
    for (prefix, rank) in [("beta", 2), ("alpha", 1)] {
        if let Some(minor) = stage.strip_prefix(prefix).and_then(|minor| minor.parse().ok()) {
            return ranked(rank, minor);
        }
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rank_as_kubernetes_ranks_them() {
        let mut names = ["foo", "v1alpha1", "v1beta2", "v10", "v1beta10", "v2", "v1"];
        names.sort_by_key(|name| Reverse(version_order(name)));
        assert_eq!(names, ["v10", "v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "foo"]);
    }
}
