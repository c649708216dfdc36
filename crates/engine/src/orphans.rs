//! Services without a resource: they carry an ownership tag, and no known resource has that identity. They cost money
//! and have no owner. One list proves nothing, since a resource may be newer than the cache, so only services that
//! stay without a resource count. The tag identifies the resource, not the operator: a service of another cluster's
//! operator in the same project counts as well.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, HashMap};
use valkeeper_api::names;

/// How long a service has to be without a resource before it counts.
const GRACE: TimeDelta = TimeDelta::minutes(10);

/// The mark that a service carries, if it does.
pub fn owner(tags: &BTreeMap<String, String>) -> Option<&str> {
    tags.get(names::OWNER_TAG).map(String::as_str)
}

/// The services of one project that no known resource owns, by their ownership tags.
#[derive(Debug, Default)]
pub struct Orphans {
    since: HashMap<String, DateTime<Utc>>,
}

impl Orphans {
    /// Takes in a complete list: the marks of all its services.
    pub fn listed<'a>(
        &mut self,
        owners: impl IntoIterator<Item = &'a str>,
        is_known: impl Fn(&str) -> bool,
        now: DateTime<Utc>,
    ) {
        let mut before = std::mem::take(&mut self.since);
        let unknown = owners.into_iter().filter(|owner| !is_known(owner));
        self.since = unknown
            .map(|owner| before.remove_entry(owner).unwrap_or_else(|| (owner.to_owned(), now)))
            .collect();
    }

    /// How many have been without a resource for long enough.
    pub fn count(&self, now: DateTime<Utc>) -> usize {
        self.since.values().filter(|since| now.signed_duration_since(**since) >= GRACE).count()
    }
}
