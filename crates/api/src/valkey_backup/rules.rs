//! The rules of a `ValkeyBackup` that bounds cannot say, as CEL for the API server.

use super::destination;
use crate::rules::{PlacedRule, field};

/// Every CEL rule of the kind.
pub fn rules() -> Vec<PlacedRule> {
    let fixed = |name: &'static str| {
        field(
            &["spec", name],
            "self == oldSelf",
            &format!("{name} is immutable: create another ValkeyBackup."),
        )
    };
    let mut rules = vec![fixed("clusterName"), fixed("destination"), fixed("verify")];
    rules.extend(destination::rules(&["spec", "destination"]));
    rules
}
