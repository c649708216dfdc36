//! Circles in a graph: the groups of nodes each of which leads to every other one of its group.

use std::collections::{BTreeMap, BTreeSet};

/// The circles, each in the order of its nodes.
pub(crate) fn circles<N: Ord + Copy>(edges: &BTreeMap<N, BTreeSet<N>>) -> Vec<Vec<N>> {
    let reach: BTreeMap<N, BTreeSet<N>> = edges.keys().map(|node| (*node, reached(*node, edges))).collect();
    let mut found = BTreeSet::new();
    for (node, reached) in &reach {
        let with: Vec<N> = reached
            .iter()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(node)))
            .copied()
            .collect();
        if with.len() > 1 {
            found.insert(with);
        }
    }
    found.into_iter().collect()
}

fn reached<N: Ord + Copy>(from: N, edges: &BTreeMap<N, BTreeSet<N>>) -> BTreeSet<N> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for other in edges.get(&node).into_iter().flatten() {
            if reached.insert(*other) {
                next.push(*other);
            }
        }
    }
    reached
}
