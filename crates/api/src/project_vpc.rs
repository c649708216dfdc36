//! The `ProjectVPC` kind: a private network of a project, in which services can be placed.
//!
//! Field names, bounds and columns are those users already have in their manifests.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::common::SecretKeyReference;
use super::rules::{self, PlacedRule};
use super::status::null_as_default;
use super::user_config::pattern;
use super::{Custom, Reported};

/// What Aiven accepts as a network.
const CIDR: &str = "^[0-9]{1,3}([.][0-9]{1,3}){3}/[0-9]{1,2}$";

/// Desired state of a VPC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema, Validate)]
#[kube(
    group = "aiven.io",
    version = "v1alpha1",
    kind = "ProjectVPC",
    root = "ProjectVpc",
    doc = "A VPC of a project at Aiven: a private network in one cloud region, in which services can be placed.",
    plural = "projectvpcs",
    singular = "projectvpc",
    namespaced,
    status = "ProjectVpcStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ProjectVpcSpec {
    /// Project at Aiven that the VPC belongs to.
    #[validate(length(max = 63), regex(path = *pattern::PROJECT))]
    pub project: String,
    /// Cloud and region the VPC is in, for example `google-europe-west1`. Services in it must be there too.
    #[validate(length(max = 256))]
    pub cloud_name: String,
    /// Address range of the VPC, for example `192.168.0.0/24`. It must not overlap with networks it is peered with.
    #[validate(length(max = 36))]
    pub network_cidr: String,
    /// Secret that holds the Aiven token for this resource. It takes precedence over the operator's default token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub auth_secret_ref: Option<SecretKeyReference>,
}

/// The observed state of a VPC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectVpcStatus {
    /// Identifier of the VPC at Aiven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// State of the VPC as Aiven names it: `APPROVED`, `ACTIVE`, `DELETING` or `DELETED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// A VPC was asked for, and what came of it is not known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creation_requested: bool,
    /// The `metadata.generation` this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions: `Ready`, `Initialized`, `Running`, `Reconciling` and `Stalled`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl Reported for ProjectVpcStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}

impl Custom for ProjectVpc {
    const NAME: &'static str = "ProjectVPC";

    type Status = ProjectVpcStatus;

    fn reported(&self) -> Option<&ProjectVpcStatus> {
        self.status.as_ref()
    }

    fn auth_secret_ref(&self) -> Option<&SecretKeyReference> {
        self.spec.auth_secret_ref.as_ref()
    }
}

/// Every CEL rule of the kind: nothing about a VPC can be changed.
pub(super) fn rules() -> Vec<PlacedRule> {
    let on_creation = ValidationRule {
        rule: format!("oldSelf.hasValue() || self.matches('{CIDR}')"),
        message: Some("must be a network in CIDR notation, such as 192.168.0.0/24".to_owned()),
        optional_old_self: Some(true),
        ..ValidationRule::default()
    };
    let mut rules: Vec<_> = ["project", "cloudName", "networkCidr"]
        .map(|name| rules::field(&["spec", name], "self == oldSelf", rules::IMMUTABLE))
        .into();
    rules.push(PlacedRule { path: vec!["spec", "networkCidr"], rule: on_creation });
    rules
}
