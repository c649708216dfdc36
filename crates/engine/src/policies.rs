//! How a resource behaves where more than one behaviour is right, read from spec, annotations and the operator's own
//! defaults. An unreadable value never makes anything more destructive.

use std::collections::BTreeMap;
use valkeeper_api::{names, policies::Policies as Declared};

/// The defaults for resources without a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Deleting a resource leaves its service.
    pub orphan: bool,
    /// Services are marked with the identity of their resource.
    pub marks_ownership: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { orphan: false, marks_ownership: true }
    }
}

/// The policies of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    /// What deleting the resource means for the service.
    pub deletion: DeletionPolicy,
    /// An existing service may be taken over.
    pub adopts: bool,
    /// An existing service is only compared, and nothing is written to it.
    pub observes: bool,
    /// Drift is changed back, not only reported.
    pub corrects_drift: bool,
    /// A service that vanished is recreated.
    pub recreates: bool,
    /// The service may be powered off without a backup.
    pub accepts_data_loss: bool,
    /// Nothing is written at all.
    pub paused: bool,
    /// Services are marked with the identity of their resource.
    pub marks_ownership: bool,
}

/// What deleting the custom resource means for the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// The service goes too.
    Delete,
    /// The service stays.
    Orphan,
    /// Something else was written, which must never be read as permission to delete.
    Unknown {
        /// Where it was written.
        place: &'static str,
        /// What.
        value: String,
    },
}

/// The message about a resource, such as `ServiceUser shop`, whose deletion policy cannot be read.
pub(super) fn unknown_deletion(resource: &str, place: &str, value: &str) -> String {
    format!(
        "Cannot delete {resource}: {place} is {value:?}, which is neither Orphan nor Delete. Correct or remove it."
    )
}

impl Policies {
    pub(super) fn of(
        declared: &Declared,
        annotations: &BTreeMap<String, String>,
        defaults: Defaults,
    ) -> Self {
        let is_set = |field: &Option<String>, word: &str| field.as_deref() == Some(word);
        // As for the deletion policy, the annotation wins over the field.
        let annotated = annotations.get(names::ADOPTION_POLICY);
        let adoption = annotated.or(declared.adoption_policy.as_ref()).map(String::as_str);
        Self {
            deletion: deletion(declared, annotations, defaults),
            adopts: adoption == Some("Adopt"),
            observes: adoption == Some("Observe"),
            corrects_drift: !is_set(&declared.drift_policy, "Report"),
            recreates: is_set(&declared.recreate_policy, "Always"),
            accepts_data_loss: is_set(&declared.power_off_policy, "AcceptDataLoss"),
            paused: annotations.get(names::PAUSED).is_some_and(|value| value != "false"),
            marks_ownership: defaults.marks_ownership,
        }
    }
}

/// The annotation wins over the field, as users of aiven-operator expect; the field over the default.
fn deletion(
    declared: &Declared,
    annotations: &BTreeMap<String, String>,
    defaults: Defaults,
) -> DeletionPolicy {
    let annotated = annotations.get(names::DELETION_POLICY).map(|value| (names::DELETION_POLICY, value));
    let field = declared.deletion_policy.as_ref().map(|value| ("spec.deletionPolicy", value));
    match annotated.or(field) {
        None if defaults.orphan => DeletionPolicy::Orphan,
        None => DeletionPolicy::Delete,
        Some((_, value)) if value == "Delete" => DeletionPolicy::Delete,
        Some((_, value)) if value == names::DELETION_POLICY_ORPHAN => DeletionPolicy::Orphan,
        Some((place, value)) => DeletionPolicy::Unknown { place, value: value.clone() },
    }
}
