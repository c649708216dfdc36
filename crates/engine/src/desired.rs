//! What a custom resource requests, in normal form: defaults applied, names resolved, and the list of what it
//! declares. The list distinguishes a field that a user removes later from one that was never set.

use super::{
    config_map::ConfigMapTarget,
    declared::{Hashes, Record, Remembered},
    observed::Maintenance,
    policies::Policies,
    scheduled_power::ScheduledPower,
    secret_target::SecretTarget,
    token_release,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt};
use valkeeper_api::{Kind, names, status::Migration, validate::Violation};

/// The desired state, in normal form.
#[derive(Clone)]
pub struct Desired {
    /// Valkey or Redis.
    pub kind: Kind,
    /// Name of the custom resource and of the service.
    pub name: String,
    /// Identity of the custom resource; marks the service as its own.
    pub uid: String,
    /// `metadata.generation` of the spec this was read from.
    pub generation: i64,
    /// A user or controller requested the deletion of the custom resource.
    pub deleting: bool,
    /// Our finalizer is on the custom resource.
    pub has_finalizer: bool,
    /// The service is settled, and all that is left is to let the token and the resource go.
    pub is_releasing: bool,
    /// The Secret with the token, if it is in one.
    pub token_secret: Option<String>,
    /// The resource names that Secret.
    pub names_token: bool,
    /// How the resource behaves where more than one behaviour is right.
    pub policies: Policies,
    /// The service was created or taken over by this object before.
    pub initialized: bool,
    /// The status confirms it, not only an annotation, which a restored resource has as well.
    pub initialized_in_status: bool,
    /// The migration recorded in the status.
    pub migration: Option<Migration>,
    /// The password of a migration source stands in the spec.
    pub password_in_spec: bool,
    /// It is in a Secret that the spec names.
    pub migration_password_in_secret: bool,
    /// The service that this one is to be made from.
    pub source: Option<SourceReference>,
    /// Provider project.
    pub project: String,
    /// Subscription plan.
    pub plan: String,
    /// Cloud and region.
    pub cloud: Option<String>,
    /// Network.
    pub vpc: Vpc,
    /// Disk space in MiB.
    pub disk_space_mb: Option<u64>,
    /// Maintenance window.
    pub maintenance: Maintenance,
    /// Notification addresses.
    pub technical_emails: Option<Vec<String>>,
    /// Protection against deletion and power-off.
    pub termination_protection: Option<bool>,
    /// Tags.
    pub tags: Option<BTreeMap<String, String>>,
    /// Source services of read replicas, by integration type.
    pub integrations: Vec<(String, String)>,
    /// Whether the service should run.
    pub powered: bool,
    /// The schedule that decides on it, if one does.
    pub schedule: Option<ScheduledPower>,
    /// The value of the annotation that asks for maintenance, until it was started for it.
    pub maintenance_request: Option<String>,
    /// Settings.
    pub user_config: Map<String, Value>,
    /// Where the connection goes, unless it is switched off.
    pub secret: Option<SecretTarget>,
    /// Where connection parameters without secrets go.
    pub config_map: Option<ConfigMapTarget>,
    /// It takes over the `Redis` of its name.
    pub takes_over: bool,
    /// The status says that another resource took it over.
    pub was_taken_over: bool,
    /// What is declared now.
    pub declared: Hashes,
    /// The record of earlier declarations.
    pub record: Record,
    /// It is in the status, and need not be in an annotation any more.
    pub record_is_in_status: bool,
    /// Rules that the spec breaks.
    pub violations: Vec<Violation>,
    /// The annotations of the custom resource.
    pub annotations: BTreeMap<String, String>,
}

impl fmt::Debug for Desired {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings may hold a migration password.
        formatter
            .debug_struct("Desired")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The network a service should be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vpc {
    /// Not declared.
    Undeclared,
    /// This one.
    Id(String),
    /// The one that this object describes.
    Reference(String),
}

/// A service to be made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReference {
    /// Its project.
    pub project: String,
    /// Its name.
    pub name: String,
    /// `read replica` or `fork`, for messages.
    pub purpose: &'static str,
    /// It has to run; of a fork only a backup is needed.
    pub has_to_run: bool,
    /// The backup to start from; none for the newest.
    pub backup: Option<String>,
}

impl Desired {
    /// The names of the Secrets with its token: of today, and of before it was edited.
    pub fn token_secrets(&self) -> impl Iterator<Item = &str> {
        let current = self.token_secret.as_deref();
        current.into_iter().chain(token_release::former(current, &self.annotations))
    }

    /// Whether exactly this spec was applied before.
    pub fn is_settled(&self) -> bool {
        self.annotations.get(names::GENERATION_PROCESSED) == Some(&self.generation.to_string())
    }

    /// Whether a difference in the field at `path` comes from an edit of the spec, and not from a change at the
    /// provider.
    pub(super) fn is_edit(&self, path: &str) -> bool {
        let now = self.declared.get(path);
        match (self.record.as_ref().map(|record| record.get(path)), now) {
            (Some(Some(Remembered::InForce(before))), Some(now)) => before != now,
            // Declared for the first time, or not any more.
            (Some(None), now) => now.is_some(),
            (Some(Some(Remembered::Pending)), _) | (Some(Some(_)), None) => true,
            // The cause is unknown. If it is sent either way, report the more likely cause.
            (None | Some(Some(Remembered::Assumed)), _) => self.policies.corrects_drift && !self.is_settled(),
        }
    }

    /// Whether `path` was declared before and is not any more.
    pub(super) fn was_removed(&self, path: &str) -> bool {
        !self.declared.contains_key(path)
            && self.record.as_ref().is_some_and(|record| record.contains_key(path))
    }

    /// Everything declared, as [`names::DECLARED_FIELDS`] holds it.
    pub fn declarations(&self) -> String {
        self.declared.keys().map(String::as_str).collect::<Vec<_>>().join(",")
    }
}
