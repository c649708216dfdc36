//! What is legal and has no effect, or another effect than it seems: warnings of `valkeeper validate`.
//!
//! None of it keeps a resource from being applied or reconciled.

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::{Violation, bounds::shown, spelling, syntax};
use crate::{Kind, field_path::FieldPath, names, power_schedule};

/// The annotations that the operator reads or writes.
const ANNOTATIONS: [&str; 12] = [
    names::APPLY_MAINTENANCE,
    names::DECLARED_FIELDS,
    names::DELETION_POLICY,
    names::GENERATION_PROCESSED,
    names::INSTANCE_RUNNING,
    names::PAUSED,
    names::POWER,
    names::RECONCILE_AT,
    names::REFERENCED_FROM,
    names::SERVICE_SETTLED,
    names::TOKEN_SECRET,
    // Of aiven-operator.
    "controllers.aiven.io/secret-source-updated",
];

/// What is remarkable about a manifest of a service, in the order of its fields.
pub fn remarks(kind: Kind, manifest: &Value) -> Vec<Violation> {
    let nothing = Map::new();
    let spec = manifest.get("spec").and_then(Value::as_object).unwrap_or(&nothing);
    let mut remarks = Remarks { kind, spec, found: about_metadata(manifest) };
    remarks.networks();
    remarks.repeated("technicalEmails", |entry| entry.get("email"));
    remarks.secret();
    remarks.power();
    remarks.fork();
    remarks.persistence();
    remarks.events();
    remarks.migration();
    super::sorted(remarks.found)
}

/// What is remarkable about a manifest of a `ProjectVPC`.
pub fn vpc_remarks(manifest: &Value) -> Vec<Violation> {
    let mut found = about_metadata(manifest);
    let network = manifest.pointer("/spec/networkCidr").and_then(Value::as_str);
    if let Some((network, meant)) = network.and_then(|network| Some((network, with_host_bits(network)?))) {
        found.push(remark(FieldPath::of(&["spec", "networkCidr"]), &network.into(), &host_bits(&meant)));
    }
    super::sorted(found)
}

struct Remarks<'m> {
    kind: Kind,
    spec: &'m Map<String, Value>,
    found: Vec<Violation>,
}

impl<'m> Remarks<'m> {
    fn get(&self, keys: &[&str]) -> Option<&'m Value> {
        let (first, rest) = keys.split_first()?;
        let value = rest.iter().try_fold(self.spec.get(*first)?, |value, key| value.get(*key));
        value.filter(|value| !value.is_null())
    }

    fn is(&self, keys: &[&str], wanted: &Value) -> bool {
        self.get(keys) == Some(wanted)
    }

    /// The value of a setting whose name starts with the kind.
    fn setting(&self, name: &str) -> (String, Option<&'m str>) {
        let name = format!("{}_{name}", self.kind.service_type());
        let value = self.get(&["userConfig", &name]).and_then(Value::as_str);
        (name, value)
    }

    fn report(&mut self, keys: &[&str], rule: &str) {
        let value = self.get(keys).filter(|value| !value.is_object() && !value.is_array());
        let value = value.map(shown).unwrap_or_default();
        let field = keys.iter().fold(FieldPath::of(&["spec"]), |path, key| path.key(key));
        self.found.push(Violation { field, value, rule: rule.to_owned() });
    }

    fn networks(&mut self) {
        let list = FieldPath::of(&["spec", "userConfig", "ip_filter"]);
        let entries = self.get(&["userConfig", "ip_filter"]).and_then(Value::as_array);
        let networks: Vec<_> = entries
            .into_iter()
            .flatten()
            .map(|entry| entry.get("network").and_then(Value::as_str).unwrap_or_default())
            .collect();
        for (index, network) in networks.iter().enumerate() {
            let field = list.index(index).key("network");
            if let Some(meant) = with_host_bits(network) {
                self.found.push(remark(field.clone(), &(*network).into(), &host_bits(&meant)));
            }
            let Some(own) = block(network) else { continue };
            let wider = |(other, wider): (usize, &&str)| {
                let wider = block(wider)?;
                let covers = wider.contains(&own) && (other < index || !own.contains(&wider));
                (other != index && covers).then_some(other)
            };
            if let Some(other) = networks.iter().enumerate().find_map(wider) {
                let rule = format!("has no effect: ip_filter[{other}] allows {} already", networks[other]);
                self.found.push(remark(field, &(*network).into(), &rule));
            }
        }
    }

    /// Entries of a list that repeat an earlier one.
    fn repeated(&mut self, list: &str, what: impl Fn(&'m Value) -> Option<&'m Value>) {
        let entries = self.get(&[list]).and_then(Value::as_array).into_iter().flatten();
        let values: Vec<_> = entries.map(what).collect();
        for (index, value) in values.iter().enumerate() {
            if let Some(value) = value.filter(|_| values[..index].contains(value)) {
                let field = FieldPath::of(&["spec", list]).index(index);
                self.found.push(remark(field, value, "is listed twice"));
            }
        }
    }

    fn secret(&mut self) {
        let disabled = self.is(&["connInfoSecretTargetDisabled"], &Value::Bool(true));
        if disabled && self.get(&["connInfoSecretTarget"]).is_some() {
            self.report(&["connInfoSecretTarget"], "has no effect with connInfoSecretTargetDisabled: true");
        }
    }

    fn power(&mut self) {
        let off = self.is(&["powered"], &Value::Bool(false));
        if off && self.is(&["terminationProtection"], &Value::Bool(true)) {
            self.report(&["powered"], "has no effect: termination protection keeps the service on");
        }
        if off && self.get(&["powerSchedule"]).is_some() {
            self.report(&["powerSchedule"], "has no effect with powered: false, which keeps the service off");
        }
        if self.get(&["powerSchedule"]).is_some() && self.is(&["terminationProtection"], &Value::Bool(true)) {
            self.report(&["powerSchedule"], "has no effect: termination protection keeps the service on");
        }
        if self.get(&["maintenanceWindowTime"]).is_some() && self.get(&["maintenanceWindowDow"]).is_none() {
            self.report(&["maintenanceWindowTime"], "sets the time only: the day stays as it is at Aiven");
        }
    }

    fn fork(&mut self) {
        let backup = ["userConfig", "recovery_basebackup_name"];
        if self.get(&backup).is_some() && self.get(&["userConfig", "service_to_fork_from"]).is_none() {
            self.report(&backup, "has no effect without service_to_fork_from");
        }
    }

    fn persistence(&mut self) {
        let (name, value) = self.setting("persistence");
        if value != Some("off") {
            return;
        }
        for setting in ["backup_hour", "backup_minute", "frequent_snapshots", "additional_backup_regions"] {
            let keys = ["userConfig", setting];
            if self.get(&keys).is_some_and(|value| *value != Value::Bool(false)) {
                self.report(&keys, &format!("has no effect with {name}: \"off\", which makes no backups"));
            }
        }
    }

    fn events(&mut self) {
        let (name, value) = self.setting("notify_keyspace_events");
        if value.is_some_and(|events| !events.is_empty() && !events.contains(['K', 'E'])) {
            self.report(&["userConfig", &name], "publishes nothing without K or E");
        }
    }

    fn migration(&mut self) {
        let password = ["userConfig", "migration", "password"];
        if self.get(&password).is_some() {
            let field = password.iter().fold(FieldPath::of(&["spec"]), |path, key| path.key(key));
            let rule =
                "can be read by everyone who may read the resource: use migrationSecretSource".to_owned();
            self.found.push(Violation { field, value: String::new(), rule });
        }
    }
}

/// Annotations in our domains that the operator does not use.
fn about_metadata(manifest: &Value) -> Vec<Violation> {
    let metadata = manifest.get("metadata");
    let annotations = metadata.and_then(|metadata| metadata.get("annotations")?.as_object());
    let ours = |key: &str| key.starts_with("valkeeper.io/") || key.starts_with("controllers.aiven.io/");
    let mut found = Vec::new();
    for key in annotations.into_iter().flat_map(|annotations| annotations.keys()) {
        let field = FieldPath::of(&["metadata", "annotations"]).key(key);
        let hint = spelling::closest(key, ANNOTATIONS.into_iter());
        if ours(key) && !ANNOTATIONS.contains(&key.as_str()) {
            let hint = hint.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
            let rule = format!("unknown annotation: it has no effect{hint}");
            found.push(Violation { field, value: String::new(), rule });
        }
    }
    let power = annotations.and_then(|annotations| annotations.get(names::POWER)?.as_str());
    if let Some(power) = power.filter(|power| power_schedule::requested(power).is_none()) {
        let field = FieldPath::of(&["metadata", "annotations"]).key(names::POWER);
        found.push(remark(field, &power.into(), "has no effect: it must be On or Off"));
    }
    let given = |key: &str| metadata.and_then(|metadata| metadata.get(key)).is_some_and(|name| *name != "");
    if given("generateName") && !given("name") {
        let rule = "each `kubectl create` makes another service, and `kubectl apply` refuses it".to_owned();
        found.push(Violation {
            field: FieldPath::of(&["metadata", "generateName"]),
            value: String::new(),
            rule,
        });
    }
    found
}

fn remark(field: FieldPath, value: &Value, rule: &str) -> Violation {
    Violation { field, value: shown(value), rule: rule.to_owned() }
}

fn host_bits(meant: &str) -> String {
    format!("has bits set after the prefix: it stands for {meant}")
}

/// The network that a block with bits after its prefix stands for.
fn with_host_bits(text: &str) -> Option<String> {
    let network = block(text)?;
    (network.trunc().addr() != network.addr()).then(|| network.trunc().to_string())
}

fn block(text: &str) -> Option<IpNet> {
    text.parse().ok().filter(|_| syntax::is_cidr(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_stand_for_their_prefix() {
        assert_eq!(with_host_bits("10.1.2.3/8").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(with_host_bits("2001:db8::1/32").as_deref(), Some("2001:db8::/32"));
        assert_eq!(with_host_bits("1.2.3.4/0").as_deref(), Some("0.0.0.0/0"));
        for exact in ["10.0.0.0/8", "10.1.2.3/32", "::/0", "::1/128", "nonsense"] {
            assert_eq!(with_host_bits(exact), None, "{exact}");
        }
    }
}
