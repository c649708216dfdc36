//! The contract: every field of aiven-operator, with its type and bounds, and our deliberate additions.

use std::collections::BTreeMap;

use valkeeper_api::Kind;

/// Fields beyond the contract: policies and Secrets of ours, and settings that the provider supports or that the
/// other kind has.
const ADDED_FIELDS: [&str; 30] = [
    "spec.adoptionPolicy",
    "spec.deletionPolicy",
    "spec.driftPolicy",
    "spec.migrateFrom",
    "spec.migrateFrom.redis",
    "spec.migrationSecretSource",
    "spec.migrationSecretSource.key",
    "spec.migrationSecretSource.name",
    "spec.powerOffPolicy",
    "spec.recreatePolicy",
    "spec.connInfoConfigMapTarget",
    "spec.connInfoConfigMapTarget.annotations",
    "spec.connInfoConfigMapTarget.labels",
    "spec.connInfoConfigMapTarget.name",
    "spec.connInfoConfigMapTarget.prefix",
    "spec.connInfoConfigMapTarget.route",
    "spec.connInfoSecretTarget.extraKeys",
    "spec.connInfoSecretTarget.keys",
    "spec.connInfoSecretTarget.presets",
    "spec.connInfoSecretTarget.route",
    "spec.connInfoSecretTarget.serviceBinding",
    "spec.powerSchedule",
    "spec.powerSchedule.offAt",
    "spec.powerSchedule.onAt",
    "spec.powerSchedule.timeZone",
    "spec.powered",
    "spec.userConfig.enable_ipv6",
    "spec.userConfig.valkey_active_expire_effort",
    "spec.userConfig.valkey_activedefrag",
    "spec.userConfig.valkey_version",
];

/// Bounds we have beyond the contract: its text leaves out patterns of more than 42 characters.
const ADDED_BOUNDS: [(&str, &str); 1] = [("spec.technicalEmails.email", "Pattern")];

/// One field, with its facts by name: `Type`, `Required`, `MaxLength` and so on.
pub(crate) type Facts = BTreeMap<String, String>;

/// Every field of a kind by path; items of lists have no segment of their own.
pub(crate) fn fields(kind: Kind) -> BTreeMap<String, Facts> {
    let text = match kind {
        Kind::Valkey => include_str!("contract/valkey.txt"),
        Kind::Redis => include_str!("contract/redis.txt"),
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once('\t').unwrap())
        .map(|(path, facts)| (path.to_owned(), parse(facts)))
        .collect()
}

fn parse(facts: &str) -> Facts {
    let named = |fact: &str| match fact.split_once(": ") {
        Some(("AdditionalProperties", _)) | None => (fact.to_owned(), String::new()),
        Some((name, value)) => (name.to_owned(), value.to_owned()),
    };
    let mut facts = facts.split("; ");
    let kind = ("Type".to_owned(), facts.next().unwrap().to_owned());
    facts.map(named).chain([kind]).collect()
}

/// Whether a field is one of those we add.
pub(crate) fn is_added(path: &str) -> bool {
    ADDED_FIELDS.contains(&path)
}

/// The facts of a field without the bounds we add.
pub(crate) fn without_added(path: &str, mut facts: Facts) -> Facts {
    for (field, bound) in ADDED_BOUNDS {
        if field == path {
            assert!(facts.remove(bound).is_some(), "{path} has lost its {bound}");
        }
    }
    facts
}

#[test]
fn the_contract_is_complete() {
    assert_eq!(fields(Kind::Valkey).len(), 69);
    assert_eq!(fields(Kind::Redis).len(), 70);
    let project = &fields(Kind::Valkey)["spec.project"];
    assert_eq!(project["MaxLength"], "63");
    assert!(project.contains_key("Immutable") && project.contains_key("Required"));
}
