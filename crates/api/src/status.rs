//! What the operator reports about a service.
//!
//! The same shape for both kinds. Conditions are a map keyed by type, so that other controllers may add
//! their own; everything decodes from the status that earlier operators wrote.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Reported, ServiceFacts};

/// The observed state of a managed service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// State of the service as Aiven names it: `REBUILDING`, `REBALANCING`, `RUNNING` or `POWEROFF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The `metadata.generation` this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is known of the service.
    #[serde(flatten)]
    pub facts: ServiceFacts,
    /// Conditions: `Ready`, `Synced`, `Drifted`, `Initialized`, `Running`, `Reconciling` and `Stalled`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What the spec declared when it was last applied, by the path of the field: a short hash of the value that is
    /// in force, or nothing while it is not yet. Tells drift from an edit, and a removed field from one never set.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub declared_values: BTreeMap<String, String>,
    /// Paths of the fields the spec declared, without their values. Written by an earlier version; `declaredValues`
    /// replaces it.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub declared_fields: Vec<String>,
    /// The migration that the spec declares, and how far it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
    /// What `spec.powerSchedule` does next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_schedule: Option<PowerScheduleStatus>,
    /// The last time declared fields were found changed at Aiven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// The value of the annotation `valkeeper.io/reconcile-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The value of the annotation `valkeeper.io/apply-maintenance` that maintenance was last started for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_apply_maintenance: Option<String>,
}

/// When a schedule switches the service next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PowerScheduleStatus {
    /// When the schedule powers the service off next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_off: Option<DateTime<Utc>>,
    /// When the schedule powers it on next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_on: Option<DateTime<Utc>>,
    /// The last override by the annotation `valkeeper.io/power`, while the annotation is there.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<PowerOverride>,
}

/// An override of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PowerOverride {
    /// Whether the service runs meanwhile.
    pub powered: bool,
    /// The switch of the schedule that ends it.
    pub until: DateTime<Utc>,
}

/// A migration into the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Migration {
    /// Stands for the server and the method that it was declared with.
    pub source: String,
    /// How far it has come. One that is complete is not sent again.
    pub phase: MigrationPhase,
}

/// How far a migration has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum MigrationPhase {
    /// It is about to be sent.
    Started,
    /// Data is on its way.
    Running,
    /// Aiven gave up.
    Failed,
    /// All data has arrived.
    Complete,
}

/// Fields that someone changed at Aiven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// When it was found.
    pub found_at: DateTime<Utc>,
    /// Whether the fields were changed back.
    pub corrected: bool,
    /// The fields.
    pub fields: Vec<DriftedField>,
}

/// One field that someone changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftedField {
    /// Its path in the spec, such as `spec.userConfig.valkey_timeout`.
    pub field: String,
    /// What the spec declares, as JSON; hidden where it may be a secret.
    pub declared: String,
    /// What Aiven had, as JSON; hidden where it may be a secret.
    pub found: String,
}

impl Reported for ServiceStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}

/// Go writes an empty list as `null`.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}
