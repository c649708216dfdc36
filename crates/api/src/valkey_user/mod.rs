//! The `ValkeyUser` kind: a user of a self-hosted cluster, with rights of its own and a connection Secret of its own.
//!
//! Types, names and rules only. Stored objects decode leniently; [`violations`] judges a spec by its schema, and by what a
//! schema cannot say. Whether a server knows the commands in the rules, only a server can say.

mod status;
mod violations;

pub use status::{UserRotation, UserStatus};
pub use violations::{manifest_violations, violations};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::common::{ConnectionSecretTarget, SecretKeyReference};
use super::rules::{PlacedRule, field, secret_target};
use super::{Custom, names};

/// Name of the kind.
pub const NAME: &str = "ValkeyUser";

/// A user to be kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema, Validate)]
#[kube(
    group = "valkeeper.io",
    version = "v1alpha1",
    kind = "ValkeyUser",
    doc = "A user of a ValkeyCluster: what it may do, and the Secret with its connection. Alpha.",
    plural = "valkeyusers",
    namespaced,
    status = "UserStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ValkeyUserSpec {
    /// The `ValkeyCluster` in the same namespace whose servers know the user.
    #[schemars(extend("pattern" = "^[a-z][-a-z0-9]{0,39}$"))]
    pub cluster_name: String,
    /// The name to log in with; by default the name of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "^[a-zA-Z0-9][-._a-zA-Z0-9]{0,62}$"))]
    pub username: Option<String>,
    /// What the user may do, as rules of the server's access control lists, such as `~orders:*` and `+@read`. A new user may
    /// do nothing; rules count in their order.
    #[validate(length(min = 1, max = 64))]
    pub rules: Vec<AclRule>,
    /// Secret with the password; when absent, the operator generates one, and another one when the annotation
    /// `valkeeper.io/rotate-password` gets another value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub password_secret_ref: Option<SecretKeyReference>,
    /// The Secret that connection details are written to; by default one of the name of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub conn_info_secret_target: Option<ConnectionSecretTarget>,
}

/// One rule: commands, keys or channels, or several of them as a selector in parentheses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(
    inline,
    extend(
        "maxLength" = 512,
        "pattern" = r"^([+-][-a-zA-Z0-9_.|@*]+|[~&].*|%(R|W|RW|WR)~.*|allkeys|allchannels|allcommands|nocommands|resetkeys|resetchannels|\(.+\))$"
    )
)]
pub struct AclRule(pub String);

impl ValkeyUserSpec {
    /// The name to log in with, for the resource of this name.
    pub fn username<'spec>(&'spec self, name: &'spec str) -> &'spec str {
        self.username.as_deref().unwrap_or(name)
    }

    /// The rules as texts.
    pub fn rules(&self) -> Vec<String> {
        self.rules.iter().map(|rule| rule.0.clone()).collect()
    }
}

/// What a resource may be called, as a phrase that follows the field.
pub const NAME_RULE: &str =
    "is the beginning of the names of its Secrets: at most 50 lower-case letters, digits and hyphens";
/// The names that [`NAME_RULE`] describes.
const NAME_PATTERN: &str = "^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$";
/// Which users there are already, as a phrase that follows the field.
pub const USERNAME_RULE: &str =
    "must be none of the users that every server has: `default`, and all that begin with `valkeeper`";
/// The names that [`USERNAME_RULE`] describes.
const OWN_USERS: &str = "^(default|valkeeper.*)$";

/// Every CEL rule of the kind.
pub fn rules() -> Vec<PlacedRule> {
    let at_root =
        |rule: &str, message: &str| PlacedRule { path: Vec::new(), ..field(&["spec"], rule, message) };
    let [name_stays, target_stays] = secret_target();
    vec![
        field(&["spec", "clusterName"], "self == oldSelf", "clusterName is immutable."),
        field(
            &["spec"],
            "(has(self.username) ? self.username : '') == (has(oldSelf.username) ? oldSelf.username : '')",
            "username is immutable.",
        ),
        name_stays,
        target_stays,
        at_root(
            &format!("self.metadata.name.matches('{NAME_PATTERN}')"),
            &format!("metadata.name {NAME_RULE}."),
        ),
        at_root(
            &format!(
                "!(has(self.spec.username) ? self.spec.username : self.metadata.name).matches('{OWN_USERS}')"
            ),
            &format!("spec.username {USERNAME_RULE}."),
        ),
    ]
}

impl Custom for ValkeyUser {
    const NAME: &'static str = NAME;
    const FINALIZER: &'static str = names::USER_FINALIZER;

    type Status = UserStatus;

    fn reported(&self) -> Option<&UserStatus> {
        self.status.as_ref()
    }
}
