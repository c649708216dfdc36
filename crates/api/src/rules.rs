//! The rules of a resource that bounds cannot express, as CEL for the API server.
//!
//! A field that only counts when the service is created can be removed later, without any effect. It can neither be
//! changed nor added: otherwise removing and setting it again would change it in two steps. The name of the
//! connection Secret may be set once, because aiven-operator wrote an empty one into every resource; from then on it
//! stays.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;

use super::Kind;

/// Message of the API server about a changed immutable field.
pub(super) const IMMUTABLE: &str = "Value is immutable";
/// Message about a changed `connInfoSecretTargetDisabled`.
pub(super) const DISABLED_IMMUTABLE: &str = "connInfoSecretTargetDisabled is immutable.";
/// Message about two ways to name a VPC.
const VPC_EXCLUSIVE: &str = "projectVpcId excludes projectVPCRef: set one of them.";
/// Message about a `Redis` of another name.
const MIGRATES_ITS_NAME: &str = "migrateFrom.redis must be metadata.name: the service keeps its name.";
/// What a resource may be called, as a phrase that follows the field.
pub const NAME_RULE: &str = "is also the name of the service at Aiven: \
     2 to 63 lower-case letters, digits and hyphens, starting with a letter";
/// The names that [`NAME_RULE`] describes.
const NAME_PATTERN: &str = "^[a-z][-a-z0-9]{1,62}$";

/// A rule and the field it belongs to, as a path below the resource; the empty path is the resource itself.
pub struct PlacedRule {
    /// Property names from the resource down to the field.
    pub path: Vec<&'static str>,
    /// The rule.
    pub rule: ValidationRule,
}

/// Every CEL rule of a kind.
pub fn rules(kind: Kind) -> Vec<PlacedRule> {
    let [name_stays, target_stays] = secret_target();
    let mut rules = vec![
        on_creation(
            &format!("self.metadata.name.matches('{NAME_PATTERN}')"),
            &format!("metadata.name {NAME_RULE}."),
        ),
        field(&["spec", "project"], "self == oldSelf", IMMUTABLE),
        field(&["spec", "serviceIntegrations"], "self == oldSelf", IMMUTABLE),
        name_stays,
        field(&["spec", "connInfoSecretTargetDisabled"], "self == oldSelf", DISABLED_IMMUTABLE),
        spec(
            None,
            "has(oldSelf.connInfoSecretTargetDisabled) == has(self.connInfoSecretTargetDisabled)",
            creation_only("connInfoSecretTargetDisabled"),
        ),
        target_stays,
        field(&["spec", "connInfoConfigMapTarget", "name"], "self == oldSelf", IMMUTABLE),
        spec(
            Some(".connInfoConfigMapTarget"),
            "has(self.connInfoConfigMapTarget) || !has(oldSelf.connInfoConfigMapTarget)",
            "connInfoConfigMapTarget.name is immutable: the target cannot be removed.",
        ),
        field(
            &["spec", "powerSchedule"],
            "self.offAt != self.onAt",
            "offAt and onAt must be different schedules.",
        ),
        spec(
            Some(".serviceIntegrations"),
            "!has(self.serviceIntegrations) || has(oldSelf.serviceIntegrations) || \
             size(self.serviceIntegrations) == 0",
            creation_only("serviceIntegrations"),
        ),
        spec(
            Some(".projectVpcId"),
            "!has(self.projectVPCRef) || !has(self.projectVpcId) || self.projectVpcId == ''",
            VPC_EXCLUSIVE,
        ),
    ];
    if kind == Kind::Valkey {
        rules.extend(migration());
    }
    for facts in kind.user_config_facts().iter().filter(|facts| facts.create_only) {
        let name = facts.name;
        rules.push(field(&["spec", "userConfig", name], "self == oldSelf", IMMUTABLE));
        rules.push(spec(
            Some(&format!(".userConfig.{name}")),
            format!(
                "!has(self.userConfig) || !has(self.userConfig.{name}) || \
                 (has(oldSelf.userConfig) && has(oldSelf.userConfig.{name}))"
            ),
            creation_only(name),
        ));
    }
    rules
}

/// The rules that keep the name of the connection Secret once it is set.
pub(super) fn secret_target() -> [PlacedRule; 2] {
    [
        field(&["spec", "connInfoSecretTarget", "name"], "self == oldSelf || oldSelf == ''", IMMUTABLE),
        spec(
            Some(".connInfoSecretTarget"),
            "has(self.connInfoSecretTarget) || !has(oldSelf.connInfoSecretTarget) || \
             oldSelf.connInfoSecretTarget.name == ''",
            "connInfoSecretTarget.name is immutable: the target cannot be removed.",
        ),
    ]
}

/// The rules of a `Valkey` that takes over a `Redis`. Its Secret keeps the keys of that Redis, so the field stays.
fn migration() -> [PlacedRule; 3] {
    let same_name = ValidationRule {
        rule: "!has(self.spec.migrateFrom) || self.spec.migrateFrom.redis == self.metadata.name".to_owned(),
        message: Some(MIGRATES_ITS_NAME.to_owned()),
        field_path: Some(".spec.migrateFrom.redis".to_owned()),
        ..ValidationRule::default()
    };
    [
        PlacedRule { path: Vec::new(), rule: same_name },
        field(&["spec", "migrateFrom", "redis"], "self == oldSelf", IMMUTABLE),
        spec(None, "has(oldSelf.migrateFrom) == has(self.migrateFrom)", creation_only("migrateFrom")),
    ]
}

/// Message of the API server when a field appears on an existing resource.
pub(super) fn creation_only(name: &str) -> String {
    format!("{name} can only be set during resource creation.")
}

pub(super) fn field(path: &[&'static str], rule: &str, message: &str) -> PlacedRule {
    let rule = ValidationRule {
        rule: rule.to_owned(),
        message: Some(message.to_owned()),
        ..ValidationRule::default()
    };
    PlacedRule { path: path.to_vec(), rule }
}

fn spec(field_path: Option<&str>, rule: impl Into<String>, message: impl Into<String>) -> PlacedRule {
    let rule = ValidationRule {
        rule: rule.into(),
        message: Some(message.into()),
        field_path: field_path.map(ToOwned::to_owned),
        ..ValidationRule::default()
    };
    PlacedRule { path: vec!["spec"], rule }
}

/// A rule about the resource itself that leaves stored resources alone: whatever they are called, their
/// finalizers and status can still be written.
fn on_creation(rule: &str, message: &str) -> PlacedRule {
    let rule = ValidationRule {
        rule: format!("oldSelf.hasValue() || {rule}"),
        message: Some(message.to_owned()),
        optional_old_self: Some(true),
        ..ValidationRule::default()
    };
    PlacedRule { path: Vec::new(), rule }
}
