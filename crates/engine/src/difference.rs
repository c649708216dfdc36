//! The differences between what a spec declares and what the provider has, field by field. Fields that the
//! spec does not declare are neither compared nor sent, unless the spec declared them before and dropped them.

use super::{
    desired::{Desired, Vpc},
    migration,
    normal::{self, HIDDEN, MIGRATION},
    observed::ObservedService,
    request::{EmailBody, MaintenanceBody, Network, ServicePatch},
};
use serde_json::{Map, Value, json};
use valkeeper_api::{PropertyFacts, status::DriftedField};

/// What stands in the place of a value that may be a secret.
const SECRET: &str = "(hidden)";
/// The longest value that is repeated, in characters.
const MAX_SHOWN: usize = 120;

/// One field in which a service is not what its resource declares.
#[derive(Clone)]
pub(super) struct Difference {
    /// Where it is below `spec`.
    pub(super) path: String,
    /// What it should be.
    pub(super) declared: Value,
    /// What it is.
    pub(super) found: Value,
    change: Change,
}

/// How the difference becomes part of an update.
#[derive(Clone)]
enum Change {
    Field(ServicePatch),
    /// A setting is sent as a whole, whatever of it differs.
    Member {
        key: String,
        member: String,
        value: Option<Value>,
    },
}

impl Difference {
    fn new(path: &str, declared: Value, found: Value, removes: ServicePatch) -> Self {
        Self { path: path.to_owned(), declared, found, change: Change::Field(removes) }
    }

    /// The difference as a report shows it.
    pub(super) fn drifted_field(&self) -> DriftedField {
        let secret = self.path == "userConfig.migration";
        let text = |value: &Value| if secret { SECRET.to_owned() } else { shown(value) };
        DriftedField {
            field: format!("spec.{}", self.path),
            declared: text(&self.declared),
            found: text(&self.found),
        }
    }
}

/// A field that a service gets when it is created.
pub(super) fn declared(path: &str, value: &Value) -> DriftedField {
    Difference::new(path, value.clone(), Value::Null, ServicePatch::default()).drifted_field()
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Differences in one line.
pub(super) fn summary(fields: &[DriftedField]) -> String {
    let field = |field: &DriftedField| format!("{} is {}, not {}", field.field, field.found, field.declared);
    fields.iter().map(field).collect::<Vec<_>>().join("; ")
}

/// The differences that an update removes; whether the service runs is not among them.
pub(super) fn settings(desired: &Desired, service: &ObservedService) -> Vec<Difference> {
    let mut found = plain(desired, service);
    found.extend(network(desired, service));
    found.extend(resettable(desired, service));
    if !service.user_config_is_unknown {
        found.extend(user_config(desired, &service.user_config));
    }
    found
}

/// The update that removes these differences of `service`.
pub(super) fn patch<'d>(
    differences: impl IntoIterator<Item = &'d Difference>,
    desired: &Desired,
    service: &ObservedService,
) -> ServicePatch {
    let mut patch = ServicePatch::default();
    for difference in differences {
        match &difference.change {
            Change::Field(part) => patch = patch.and(part),
            Change::Member { key, member, value } => {
                let members = patch
                    .user_config
                    .entry(key.clone())
                    .or_insert_with(|| members_of(service.user_config.get(key)).into());
                match (members.as_object_mut(), value) {
                    (Some(members), Some(value)) => drop(members.insert(member.clone(), value.clone())),
                    (Some(members), None) => drop(members.remove(member)),
                    (None, _) => {}
                }
            }
        }
    }
    if patch.cloud.is_some() && patch.project_vpc_id.is_none() {
        // Without a word the provider may choose a VPC of the new cloud.
        patch.project_vpc_id = match &desired.vpc {
            Vpc::Undeclared => Some(Network::Public),
            Vpc::Id(id) => Some(Network::Vpc(id.clone())),
            Vpc::Reference(_) => None,
        };
    }
    patch
}

/// The other members of a setting that changes, which are sent along unchanged.
fn members_of(current: Option<&Value>) -> Map<String, Value> {
    let mut members = current.and_then(Value::as_object).cloned().unwrap_or_default();
    members.retain(|_, value| !value.is_null() && value.as_str() != Some(HIDDEN));
    members
}

fn plain(desired: &Desired, service: &ObservedService) -> Vec<Difference> {
    let nothing = ServicePatch::default;
    let mut found = Vec::new();
    let mut compare = |path: &str, wanted: Option<Value>, current: Value, patch: ServicePatch| {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != current) {
            found.push(Difference::new(path, wanted, current, patch));
        }
    };
    let text = |text: Option<&String>| text.map(|text| json!(text));
    let size = |size: u64| json!(format!("{size}MiB"));
    let (wanted, current) = (&desired.maintenance, &service.maintenance);
    let window = |dow: Option<&String>, time: Option<&String>| ServicePatch {
        maintenance: Some(MaintenanceBody { dow: dow.cloned(), time: time.cloned() }),
        ..nothing()
    };
    compare(
        "plan",
        Some(json!(desired.plan)),
        json!(service.plan),
        ServicePatch { plan: Some(desired.plan.clone()), ..nothing() },
    );
    // While the declared network is unknown, the service stays where it is.
    let cloud = desired.cloud.as_ref().filter(|_| !matches!(desired.vpc, Vpc::Reference(_)));
    compare(
        "cloudName",
        text(cloud),
        json!(service.cloud),
        ServicePatch { cloud: cloud.cloned(), ..nothing() },
    );
    compare(
        "disk_space",
        desired.disk_space_mb.map(size),
        json!(service.disk_space_mb.map(size)),
        ServicePatch { disk_space_mb: desired.disk_space_mb, ..nothing() },
    );
    compare(
        "maintenanceWindowDow",
        text(wanted.day.as_ref()),
        json!(current.day),
        window(wanted.day.as_ref(), None),
    );
    compare(
        "maintenanceWindowTime",
        text(wanted.time.as_ref()),
        json!(current.time),
        window(None, wanted.time.as_ref()),
    );
    found
}

fn network(desired: &Desired, service: &ObservedService) -> Option<Difference> {
    let (declared, network) = match (&desired.vpc, &service.project_vpc_id) {
        (Vpc::Id(wanted), Some(current)) if wanted == current => return None,
        (Vpc::Id(wanted), _) => (json!(wanted), Network::Vpc(wanted.clone())),
        // Null moves a service to the public network: only for a VPC that the user took out of the spec.
        (Vpc::Undeclared, Some(_)) if desired.was_removed("projectVpcId") => (Value::Null, Network::Public),
        (Vpc::Undeclared | Vpc::Reference(_), _) => return None,
    };
    let patch = ServicePatch { project_vpc_id: Some(network), ..ServicePatch::default() };
    Some(Difference::new("projectVpcId", declared, json!(service.project_vpc_id), patch))
}

/// Fields with a value that stands for not being declared.
fn resettable(desired: &Desired, service: &ObservedService) -> Vec<Difference> {
    let mut found = Vec::new();
    let removed = desired.was_removed("terminationProtection").then_some(false);
    let wanted = desired.termination_protection.or(removed);
    if let Some(wanted) = wanted.filter(|wanted| *wanted != service.termination_protection) {
        let patch = ServicePatch { termination_protection: Some(wanted), ..ServicePatch::default() };
        let current = json!(service.termination_protection);
        found.push(Difference::new("terminationProtection", json!(wanted), current, patch));
    }
    let removed = desired.was_removed("technicalEmails").then(Vec::new);
    let wanted = desired.technical_emails.clone().or(removed);
    let differs = |wanted: &Vec<String>| normal::emails(wanted) != normal::emails(&service.technical_emails);
    if let Some(wanted) = wanted.filter(differs) {
        let emails = wanted.iter().map(|email| EmailBody { email: email.clone() }).collect();
        let patch = ServicePatch { tech_emails: Some(emails), ..ServicePatch::default() };
        let current = json!(service.technical_emails);
        found.push(Difference::new("technicalEmails", json!(wanted), current, patch));
    }
    found
}

/// Compares only settings that the spec declares, because the provider echoes its own defaults for all other
/// settings. A setting that the spec stopped declaring is reset, to its default or to `null` where the provider
/// accepts that (provider behaviour: `user_config` on update).
fn user_config(desired: &Desired, observed: &Map<String, Value>) -> Vec<Difference> {
    let facts = desired.kind.user_config_facts();
    let create_only = |key: &str| facts.iter().any(|fact| fact.name == key && fact.create_only);
    let mut found = Vec::new();
    let complete = migration::is_complete(desired);
    let skipped = |key: &str| create_only(key) || (complete && key == MIGRATION);
    for (key, wanted) in desired.user_config.iter().filter(|(key, _)| !skipped(key)) {
        let current = observed.get(key).unwrap_or(&Value::Null);
        match (wanted, current) {
            (Value::Object(wanted), Value::Object(current)) if key != MIGRATION => {
                found.extend(members(desired, key, wanted, current));
            }
            _ if !normal::same(key, wanted, current) => found.push(setting(key, wanted, current)),
            _ => {}
        }
    }
    for fact in facts.iter().filter(|fact| !fact.create_only) {
        let current = observed.get(fact.name).unwrap_or(&Value::Null);
        if desired.was_removed(&format!("userConfig.{}", fact.name))
            && let Some(value) = reset(fact, current)
        {
            found.push(setting(fact.name, &value, current));
        }
    }
    found
}

fn setting(key: &str, wanted: &Value, current: &Value) -> Difference {
    let user_config = Map::from_iter([(key.to_owned(), wanted.clone())]);
    let patch = ServicePatch { user_config, ..ServicePatch::default() };
    Difference::new(&format!("userConfig.{key}"), wanted.clone(), current.clone(), patch)
}

fn members(
    desired: &Desired,
    key: &str,
    wanted: &Map<String, Value>,
    current: &Map<String, Value>,
) -> Vec<Difference> {
    let difference = |member: &str, value: Option<&Value>| Difference {
        path: format!("userConfig.{key}.{member}"),
        declared: value.cloned().unwrap_or_default(),
        found: current.get(member).cloned().unwrap_or_default(),
        change: Change::Member { key: key.to_owned(), member: member.to_owned(), value: value.cloned() },
    };
    let differs = |(member, value): &(&String, &Value)| {
        !normal::same(member, value, current.get(*member).unwrap_or(&Value::Null))
    };
    let removed = |(member, value): &(&String, &Value)| {
        !value.is_null() && desired.was_removed(&format!("userConfig.{key}.{member}"))
    };
    let changed = wanted.iter().filter(differs).map(|(member, value)| difference(member, Some(value)));
    let gone = current.iter().filter(removed).map(|(member, _)| difference(member, None));
    changed.chain(gone).collect()
}

fn reset(fact: &PropertyFacts, current: &Value) -> Option<Value> {
    let default = fact.default.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let unset = fact.unset.and_then(|text| serde_json::from_str(text).ok());
    let target = default.or(fact.nullable.then_some(Value::Null)).or(unset)?;
    (!normal::same(fact.name, &target, current)).then_some(target)
}
