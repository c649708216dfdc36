//! The tags of the service: those that the spec declares, key by key, and the ownership tag. Foreign tags stay
//! unchanged.

use super::{
    concern::Concern,
    desired::Desired,
    difference,
    drift::{self, Plan},
    observed::{Observed, ObservedService, Power},
    power,
    request::TagPatch,
    step::{RequeueClass, Step},
    violations::{self, Part},
};
use serde_json::json;
use valkeeper_api::{
    names::{self, reason},
    status::DriftedField,
};

/// One tag that is not what its resource declares.
pub(super) struct TagDifference {
    /// Where it is below `spec`.
    pub(super) path: String,
    key: String,
    declared: Option<String>,
    found: Option<String>,
}

impl TagDifference {
    fn new(key: &str, declared: Option<&String>, found: Option<&String>) -> Self {
        let (declared, found) = (declared.cloned(), found.cloned());
        Self { path: format!("tags.{key}"), key: key.to_owned(), declared, found }
    }

    /// The difference as a report shows it.
    pub(super) fn drifted_field(&self) -> DriftedField {
        let text = |value: &Option<String>| json!(value).to_string();
        DriftedField {
            field: format!("spec.{}", self.path),
            declared: text(&self.declared),
            found: text(&self.found),
        }
    }
}

/// The tags that differ. A tag that the spec declared before and dropped goes.
pub(super) fn differences(desired: &Desired, service: &ObservedService) -> Vec<TagDifference> {
    let declared = desired.tags.iter().flatten();
    let changed = declared
        .map(|(key, value)| TagDifference::new(key, Some(value), service.tags.get(key)))
        .filter(|one| one.declared != one.found);
    let left = service.tags.iter().filter(|(key, _)| !key.starts_with(names::OWNERSHIP_TAG_PREFIX));
    let removed = left
        .filter(|(key, _)| desired.was_removed(&format!("tags.{key}")))
        .map(|(key, value)| TagDifference::new(key, None, Some(value)));
    changed.chain(removed).collect()
}

/// What removes these differences.
pub(super) fn patch<'d>(differences: impl IntoIterator<Item = &'d TagDifference>) -> TagPatch {
    differences.into_iter().map(|one| (one.key.clone(), one.declared.clone())).collect()
}

/// What is to be done so that the service has the tags that the spec declares.
pub(super) fn concern(desired: &Desired, observed: &Observed, service: &ObservedService) -> Vec<Concern> {
    if violations::concern(desired, Part::Tags) {
        return Vec::new();
    }
    let differences = differences(desired, service);
    let plan = Plan::of(desired, differences.iter(), |one| &one.path);
    let reported = drift::reported(desired, plan.left.iter().map(|one| one.drifted_field()));
    let mut patch = patch(plan.sent.iter().copied());
    patch.extend(mark(desired, service, !patch.is_empty()));
    let drifted = drift::corrected(plan.drift.iter().map(|one| one.drifted_field()));
    let sent = Concern { drift: drifted.clone(), ..send(desired, observed, service, patch, &differences) };
    vec![drift::named(sent, plan.is_drift(), drifted), reported]
}

/// The ownership tag of a service that came to its resource without one: it is added with the next edit.
fn mark(desired: &Desired, service: &ObservedService, along: bool) -> Option<(String, Option<String>)> {
    let marks = desired.policies.marks_ownership && !service.tags.contains_key(names::OWNER_TAG);
    let now = marks && (along || !desired.is_settled()) && !desired.policies.observes;
    now.then(|| (names::OWNER_TAG.to_owned(), Some(desired.uid.clone())))
}

/// Sends each tag once, and reports a missing effect.
fn send(
    desired: &Desired,
    observed: &Observed,
    service: &ObservedService,
    patch: TagPatch,
    differences: &[TagDifference],
) -> Concern {
    if patch.is_empty() {
        return Concern::fine();
    }
    let sent = observed.sent_tags.as_ref();
    let rest: TagPatch = patch
        .into_iter()
        .filter(|(key, value)| sent.is_none_or(|sent| sent.get(key) != Some(value)))
        .collect();
    if !rest.is_empty() {
        let message = format!("Changing tags of service {}.", desired.name);
        return Concern::act(Step::PatchTags(rest), reason::UPDATING, message);
    }
    if observed.unsettled || service.state.power() == Power::Changing {
        return power::building(desired, observed, service);
    }
    let drifted: Vec<_> = differences.iter().map(TagDifference::drifted_field).collect();
    let message = format!(
        "Cannot change tags of service {}: Aiven accepted the change and still shows other values: {}. To retry, edit the spec.",
        desired.name,
        difference::summary(&drifted)
    );
    Concern::is_stuck(reason::NOT_APPLIED, message, RequeueClass::AwaitingExternal)
}
