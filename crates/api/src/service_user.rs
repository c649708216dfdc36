//! The `ServiceUser` kind: a user of a managed service, with a password, rights and a connection Secret of its own.
//!
//! Field names, bounds and columns are those users already have in their manifests.

mod status;
mod violations;

pub use status::{AccessControlRecord, ServiceUserStatus};
pub use violations::{manifest_violations, violations};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::Custom;
use super::common::{ConnectionSecretTarget, SecretKeyReference};
use super::rules::{self, IMMUTABLE, PlacedRule, field, secret_target};
use super::user_config::pattern;

/// The user that each service has from the beginning. It cannot be deleted.
pub const DEFAULT_USER: &str = "default";

/// The longest name to log in with, in characters.
const LONGEST_USERNAME: usize = 64;

/// What connection Secret keys start with unless the user chose another prefix.
pub const SECRET_PREFIX: &str = "SERVICEUSER_";

/// Desired state of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema, Validate)]
#[kube(
    group = "aiven.io",
    version = "v1alpha1",
    kind = "ServiceUser",
    doc = "A user of a Valkey or Redis service at Aiven: its password, its rights, and the Secret with its connection.",
    plural = "serviceusers",
    namespaced,
    status = "ServiceUserStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ServiceUserSpec {
    /// Project at Aiven that the service belongs to.
    #[validate(length(max = 63), regex(path = *pattern::PROJECT))]
    pub project: String,
    /// The service whose user this is.
    #[validate(length(max = 63), regex(path = *pattern::SERVICE))]
    pub service_name: String,
    /// The name to log in with; by default the name of the resource. Can only be set when the resource is created. The user
    /// `default`, which each service has, can be given a password and a Secret; it is never deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 64))]
    pub username: Option<String>,
    /// Secret that holds the Aiven token for this resource. It takes precedence over the operator's default token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub auth_secret_ref: Option<SecretKeyReference>,
    /// The Secret that connection details are written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub conn_info_secret_target: Option<ConnectionSecretTarget>,
    /// When true, no connection Secret is written. Can only be set when the resource is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn_info_secret_target_disabled: Option<bool>,
    /// Secret with the password of the user. The operator keeps the user at it: a password that was changed elsewhere is
    /// changed back. Without it, Aiven generates the password, and the connection Secret holds whatever Aiven reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub conn_info_secret_source: Option<PasswordSource>,
    /// What the user may do. When it is there, all four lists are kept as they are declared; a list that is left out is
    /// empty. Without it, the rights of the user are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub access_control: Option<AccessControl>,
    /// How users of `MySQL` services log in. It has no effect on users of Valkey and Redis services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["caching_sha2_password", "mysql_native_password"]))]
    pub authentication: Option<String>,
}

/// Where a password is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSource {
    /// Name of the Secret, in the namespace of the resource.
    #[validate(length(min = 1))]
    pub name: String,
    /// Key in the Secret whose value is the password: 8 to 256 characters.
    #[validate(length(min = 1))]
    pub password_key: String,
}

/// What a user may do, as rules of the server's access control lists. Those of a Redis service have the same names here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct AccessControl {
    /// Patterns of keys, such as `orders:*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256))]
    pub valkey_acl_keys: Option<Vec<String>>,
    /// Single commands, such as `+set` or `-flushall`. They count in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256))]
    pub valkey_acl_commands: Option<Vec<String>>,
    /// Categories of commands, such as `+@read` or `-@dangerous`. They count in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256))]
    pub valkey_acl_categories: Option<Vec<String>>,
    /// Patterns of channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256))]
    pub valkey_acl_channels: Option<Vec<String>>,
}

impl ServiceUserSpec {
    /// The name to log in with, for the resource of this name.
    pub fn username<'spec>(&'spec self, name: &'spec str) -> &'spec str {
        self.username.as_deref().filter(|username| !username.is_empty()).unwrap_or(name)
    }
}

impl Custom for ServiceUser {
    const NAME: &'static str = "ServiceUser";

    type Status = ServiceUserStatus;

    fn reported(&self) -> Option<&ServiceUserStatus> {
        self.status.as_ref()
    }

    fn auth_secret_ref(&self) -> Option<&SecretKeyReference> {
        self.spec.auth_secret_ref.as_ref()
    }
}

/// Every CEL rule of the kind.
pub(super) fn rules() -> Vec<PlacedRule> {
    let [name_stays, target_stays] = secret_target();
    vec![
        field(&["spec", "project"], "self == oldSelf", IMMUTABLE),
        field(&["spec", "serviceName"], "self == oldSelf", IMMUTABLE),
        field(&["spec", "username"], "self == oldSelf", "username is immutable."),
        field(&["spec"], "has(self.username) == has(oldSelf.username)", &rules::creation_only("username")),
        name_stays,
        target_stays,
        field(&["spec", "connInfoSecretTargetDisabled"], "self == oldSelf", rules::DISABLED_IMMUTABLE),
        field(
            &["spec"],
            "has(oldSelf.connInfoSecretTargetDisabled) == has(self.connInfoSecretTargetDisabled)",
            &rules::creation_only("connInfoSecretTargetDisabled"),
        ),
    ]
}
