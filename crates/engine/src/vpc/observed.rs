//! What was observed of a `ProjectVPC`.

use std::collections::BTreeSet;

/// The state of a VPC in which services can be placed.
pub(super) const ACTIVE: &str = "ACTIVE";

/// A VPC at Aiven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenVpc {
    /// Identifier.
    pub id: String,
    /// Cloud and region.
    pub cloud: String,
    /// Address range.
    pub cidr: String,
    /// State, as Aiven names it.
    pub state: String,
}

/// What was observed of a `ProjectVPC`.
#[derive(Clone, Debug, Default)]
pub struct ObservedVpc {
    /// The VPCs of the project; none if they were not listed yet.
    pub vpcs: Option<Vec<SeenVpc>>,
    /// The identifier that a create request of this reconciliation was answered with.
    pub created: Option<String>,
    /// The identifiers that other resources have noted; none if these were not read yet.
    pub claimed: Option<BTreeSet<String>>,
    /// What the list does not show does not exist, and no earlier request can bring it about any more.
    pub absence_is_certain: bool,
    /// The Secret with the token is protected.
    pub token_is_held: bool,
    /// Those of its token Secrets that are protected from deletion; none when they were not read.
    pub held_names: Option<BTreeSet<String>>,
    /// Aiven accepted a deletion a moment ago.
    pub deletion_requested: bool,
    /// The object was read from the API server, not from a cache, in this reconciliation.
    pub object_is_live: bool,
    /// Aiven refused to delete the VPC because of what is in it, in these words.
    pub in_use: Option<String>,
}

pub(super) fn is_going(state: &str) -> bool {
    ["DELETING", "DELETED"].contains(&state)
}
