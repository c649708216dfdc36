//! What the operator reports about a `ValkeyUser`.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Reported;
use crate::service_facts::{Binding, WrittenSecret};
use crate::status::null_as_default;

/// The observed state of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserStatus {
    /// The `metadata.generation` this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The name to log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The change of the password that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<UserRotation>,
    /// When servers were asked to end the user of a resource that is being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// The connection Secret, and what of it is the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret: Option<WrittenSecret>,
    /// The connection Secret, for programs that read service bindings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// Conditions: `Ready`, `Reconciling`, `Stalled`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A password that servers accept beside the one that clients have been given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRotation {
    /// What servers report that accept both.
    pub revision: String,
    /// When clients were given the new one.
    pub published_at: DateTime<Utc>,
}

impl Reported for UserStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}
