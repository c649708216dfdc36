//! The annotations that other programs read, updated once nothing else is left to do.

use super::{desired::Desired, observed::Observed, step::Step, token_release};
use std::collections::BTreeMap;
use valkeeper_api::names;

/// The annotations that are missing, where they are worth a write. A token Secret that an annotation names is
/// released before the annotation is removed.
pub(super) fn step(desired: &Desired, observed: &Observed, running: bool) -> Option<Step> {
    let wanted = [
        (names::GENERATION_PROCESSED, Some(desired.generation.to_string())),
        (names::INSTANCE_RUNNING, Some(running.to_string())),
        (names::TOKEN_SECRET, desired.token_secret.clone()),
    ];
    let mut stale = BTreeMap::from(wanted);
    if desired.record_is_in_status {
        stale.insert(names::DECLARED_FIELDS, None);
    }
    stale.retain(|key, value| desired.annotations.get(*key) != value.as_ref());
    // Worth a note along with another write, not a write of its own. But only the note connects a resource to a token
    // that it does not name.
    let new_token = desired.names_token && !desired.annotations.contains_key(names::TOKEN_SECRET);
    let can_wait = |key: &str| key == names::DECLARED_FIELDS || (key == names::TOKEN_SECRET && new_token);
    if stale.keys().all(|key| can_wait(key)) {
        return None;
    }
    let (current, held) = (desired.token_secret.as_deref(), observed.held_names.as_ref());
    let first = token_release::before_note(current, &desired.annotations, held);
    Some(first.map_or(Step::Annotate(stale), Step::from))
}
