//! What the operator reports about a `ServiceUser`, and the record that it decides by.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Reported;
use crate::service_facts::{Binding, WrittenSecret};
use crate::status::null_as_default;

/// The observed state of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceUserStatus {
    /// The name to log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Type of the user, as Aiven names it.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub user_type: Option<String>,
    /// The user exists at Aiven and belongs to this resource.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// A user was requested, and the result is not known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creation_requested: bool,
    /// The access control that Aiven was last sent, and its answer, as short hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_control: Option<AccessControlRecord>,
    /// The connection Secret, and what of it is the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret: Option<WrittenSecret>,
    /// The connection Secret, for programs that read service bindings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// The `metadata.generation` this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions: `Ready`, `Initialized`, `Running`, `Reconciling` and `Stalled`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Access control that was sent, and what Aiven made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessControlRecord {
    /// Hash of the lists as they were sent.
    pub sent: String,
    /// Hash of the lists as Aiven showed them before.
    pub before: String,
    /// Hash of the lists as Aiven answered them.
    pub answered: String,
}

impl Reported for ServiceUserStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}
