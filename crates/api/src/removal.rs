//! What becomes of the service when a field leaves the spec. One table: the engine is tested against it, and
//! the reference pages show it.

use super::{Kind, PropertyFacts};

/// What removing a field does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The service gets this value, in words.
    Resets(&'static str),
    /// The service keeps the last value.
    Keeps,
    /// The field counts only when the service is created.
    WithoutEffect,
    /// The field has a default, which is sent.
    Default(&'static str),
}

/// The fields of `spec` that can be removed and that define the service.
pub const FIELDS: [(&str, Removal); 13] = [
    ("cloudName", Removal::Keeps),
    ("disk_space", Removal::Keeps),
    ("maintenanceWindowDow", Removal::Keeps),
    ("maintenanceWindowTime", Removal::Keeps),
    ("migrationSecretSource", Removal::WithoutEffect),
    ("powerSchedule", Removal::Default("the service runs")),
    ("powered", Removal::Default("the service runs")),
    ("projectVPCRef", Removal::Resets("moves to the public network")),
    ("projectVpcId", Removal::Resets("moves to the public network")),
    ("serviceIntegrations", Removal::WithoutEffect),
    ("tags", Removal::Resets("loses the tags that were declared; tags of others stay")),
    ("technicalEmails", Removal::Resets("has no addresses")),
    ("terminationProtection", Removal::Resets("is not protected")),
];

/// What removing a setting does.
pub fn of_setting(facts: &PropertyFacts) -> Removal {
    if facts.create_only {
        Removal::WithoutEffect
    } else if facts.default.is_some() || facts.nullable || facts.unset.is_some() {
        Removal::Resets("goes back to Aiven's default")
    } else {
        Removal::Keeps
    }
}

/// The settings of a kind that keep their last value when they are removed.
pub fn kept_settings(kind: Kind) -> impl Iterator<Item = &'static str> {
    let facts = kind.user_config_facts().iter();
    facts.filter(|facts| of_setting(facts) == Removal::Keeps).map(|facts| facts.name)
}
