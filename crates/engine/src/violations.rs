//! A broken rule blocks only what depends on the field that breaks it. A resource that breaks any rule gets no
//! service, and before it has one no call is made for it.

use super::{concern::Concern, desired::Desired, report::Report, step::RequeueClass};
use valkeeper_api::{field_path::Segment, validate::Violation};

/// What depends on a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What the service is: plan, network, settings and so on.
    Settings,
    /// Its tags.
    Tags,
    /// Whether it runs.
    Power,
    /// Its connection Secret.
    Secret,
    /// Its connection ConfigMap.
    ConfigMap,
}

/// Whether a rule is broken on which `part` depends.
pub(super) fn concern(desired: &Desired, part: Part) -> bool {
    desired.violations.iter().any(|violation| part_of(violation).is_none_or(|broken| broken == part))
}

/// The report of the violations.
pub(super) fn told(desired: &Desired) -> Concern {
    if desired.violations.is_empty() {
        return Concern::fine();
    }
    let Report { reason, message, .. } = Report::invalid_spec(&desired.violations);
    Concern::is_stuck(reason, message, RequeueClass::AwaitingSpecChange)
}

/// What depends on the field that breaks a rule; nothing for a field on which everything depends.
fn part_of(violation: &Violation) -> Option<Part> {
    let [Segment::Key(root), Segment::Key(field), ..] = violation.field.segments() else { return None };
    match (root.as_str(), field.as_str()) {
        ("spec", "project") => None,
        ("spec", "tags") => Some(Part::Tags),
        ("spec", "powered" | "powerOffPolicy" | "powerSchedule") => Some(Part::Power),
        // The Secret with the token must never become the one with the connection.
        ("spec", "connInfoSecretTarget" | "connInfoSecretTargetDisabled" | "authSecretRef") => {
            Some(Part::Secret)
        }
        ("spec", "connInfoConfigMapTarget") => Some(Part::ConfigMap),
        ("spec", _) => Some(Part::Settings),
        _ => None,
    }
}
