//! Rules that a schema cannot express: relations between fields of one resource, and the meaning of their text.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::bounds::shown;
use super::{Violation, syntax};
use crate::common::disk_space_mib;
use crate::field_path::FieldPath;
use crate::user_config::pattern;
use crate::{names, rules};

/// Suffix of the longest key in a connection Secret; a key has at most 253 characters.
const LONGEST_KEY: &str = "PASSWORD";
/// The same when the replica is requested.
const LONGEST_EXTRA_KEY: &str = "REPLICA_HOST";
/// The same with presets.
const LONGEST_PRESET_KEY: &str = "STACKEXCHANGE";

/// The longest e-mail address that the provider takes.
const LONGEST_ADDRESS: usize = 254;

/// The violations in a `spec` and the name of its resource.
pub(super) fn check(name: Option<&str>, spec: &Map<String, Value>) -> Vec<Violation> {
    let mut spec = Spec { name: name.unwrap_or_default(), fields: spec, found: Vec::new() };
    spec.resource_name(name);
    spec.placement();
    spec.maintenance();
    spec.addresses();
    spec.fork();
    spec.replica();
    spec.backup();
    spec.networks();
    spec.tags();
    spec.token();
    spec.connection_secret();
    spec.takeover();
    spec.found
}

/// The violations in what a `spec` says of Secrets, for resources that are no services.
pub(crate) fn secrets(name: Option<&str>, spec: &Map<String, Value>) -> Vec<Violation> {
    let mut spec = Spec { name: name.unwrap_or_default(), fields: spec, found: Vec::new() };
    spec.token();
    spec.connection_secret();
    spec.declared_password();
    spec.found
}

/// A `spec` under examination.
struct Spec<'s> {
    name: &'s str,
    fields: &'s Map<String, Value>,
    found: Vec<Violation>,
}

impl<'s> Spec<'s> {
    fn get(&self, keys: &[&str]) -> Option<&'s Value> {
        let (first, rest) = keys.split_first()?;
        rest.iter()
            .try_fold(self.fields.get(*first)?, |value, key| value.get(*key))
            .filter(|value| !value.is_null())
    }

    /// The text of a field, when it has one.
    fn text(&self, keys: &[&str]) -> Option<&'s str> {
        self.get(keys).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn list(&self, keys: &[&str]) -> &'s [Value] {
        self.get(keys).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn map(&self, keys: &[&str]) -> impl Iterator<Item = (&'s str, &'s str)> + use<'s> {
        let entries = self.get(keys).and_then(Value::as_object).into_iter().flatten();
        entries.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    fn report(&mut self, keys: &[&str], rule: &str) {
        let value = self.get(keys).map(shown).unwrap_or_default();
        self.report_at(spec_path(keys), value, rule);
    }

    fn report_at(&mut self, field: FieldPath, value: String, rule: &str) {
        self.found.push(Violation { field, value, rule: rule.to_owned() });
    }

    fn resource_name(&mut self, name: Option<&str>) {
        let field = FieldPath::of(&["metadata", "name"]);
        let Some(name) = name.filter(|name| !name.is_empty()) else { return };
        let mut bytes = name.bytes();
        let starts = bytes.next().is_some_and(|first| first.is_ascii_lowercase());
        let rest = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !starts || !rest || !(2..=63).contains(&name.len()) {
            self.report_at(field, shown(&Value::from(name)), rules::NAME_RULE);
        } else if name.ends_with('-') {
            self.report_at(field, shown(&Value::from(name)), "must not end with a hyphen");
        }
    }

    fn placement(&mut self) {
        if self.get(&["plan"]).is_some_and(|plan| plan == "") {
            self.report(&["plan"], "must not be empty");
        }
        if self.text(&["projectVpcId"]).is_some() && self.get(&["projectVPCRef"]).is_some() {
            self.report(&["projectVpcId"], "excludes projectVPCRef: set one of them");
        }
        // A text that is no size at all breaks the pattern of the field.
        let too_large = |size: &str| pattern::DISK_SPACE.is_match(size) && disk_space_mib(size).is_none();
        if self.text(&["disk_space"]).is_some_and(too_large) {
            self.report(&["disk_space"], "is too large");
        }
    }

    fn maintenance(&mut self) {
        if self.text(&["maintenanceWindowTime"]).is_some_and(|time| !syntax::is_time_of_day(time)) {
            self.report(&["maintenanceWindowTime"], "must be a time of day as HH:mm:ss");
        }
    }

    fn addresses(&mut self) {
        for (index, entry) in self.list(&["technicalEmails"]).iter().enumerate() {
            let Some(address) = entry.get("email").and_then(Value::as_str) else { continue };
            if address.len() > LONGEST_ADDRESS {
                let field = spec_path(&["technicalEmails"]).index(index).key("email");
                self.report_at(field, shown(&address.into()), "must have at most 254 characters");
            }
        }
    }

    fn fork(&mut self) {
        let service = self.text(&["userConfig", "service_to_fork_from"]);
        let project = self.text(&["userConfig", "project_to_fork_from"]);
        if project.is_some() && service.is_none() {
            self.report(&["userConfig", "project_to_fork_from"], "needs service_to_fork_from");
        }
        let same_project = project.is_none() || project == self.text(&["project"]);
        if service == Some(self.name) && same_project {
            self.report(&["userConfig", "service_to_fork_from"], "must be another service than this one");
        }
    }

    fn replica(&mut self) {
        for (index, integration) in self.list(&["serviceIntegrations"]).iter().enumerate() {
            let source = integration.get("sourceServiceName").and_then(Value::as_str);
            if let Some(source) = source.filter(|source| *source == self.name) {
                let field = spec_path(&["serviceIntegrations"]).index(index).key("sourceServiceName");
                self.report_at(field, shown(&source.into()), "must be another service than this one");
            }
        }
    }

    fn backup(&mut self) {
        if self.get(&["userConfig", "backup_minute"]).is_some()
            && self.get(&["userConfig", "backup_hour"]).is_none()
        {
            self.report(&["userConfig", "backup_minute"], "needs backup_hour");
        }
    }

    fn networks(&mut self) {
        for (index, entry) in self.list(&["userConfig", "ip_filter"]).iter().enumerate() {
            let Some(network) = entry.get("network").and_then(Value::as_str) else { continue };
            if syntax::is_cidr(network) {
                continue;
            }
            let rule = match network.parse() {
                Ok(IpAddr::V4(_)) => "must be a network in CIDR notation; for one address append /32",
                Ok(IpAddr::V6(_)) => "must be a network in CIDR notation; for one address append /128",
                Err(_) => "must be a network in CIDR notation, such as 10.20.0.0/16",
            };
            let field = spec_path(&["userConfig", "ip_filter"]).index(index).key("network");
            self.report_at(field, shown(&network.into()), rule);
        }
    }

    fn tags(&mut self) {
        for (key, value) in self.map(&["tags"]) {
            let field = spec_path(&["tags"]).key(key);
            if key.starts_with(names::OWNERSHIP_TAG_PREFIX) {
                self.report_at(field, String::new(), "tags of this prefix mark who owns a service");
            } else if !syntax::is_tag_key(key) {
                let rule = "tag keys have 1 to 64 letters, digits, - and _, starting with a letter";
                self.report_at(field, String::new(), rule);
            } else if value.chars().count() > 64 {
                self.report_at(field, shown(&value.into()), "tag values have at most 64 characters");
            }
        }
    }

    /// The values are not shown: people paste the token itself here.
    fn token(&mut self) {
        let field = |key: &str| spec_path(&["authSecretRef", key]);
        if self.text(&["authSecretRef", "name"]).is_some_and(|name| !syntax::is_object_name(name)) {
            self.report_at(field("name"), String::new(), "must be the name of a Secret");
        }
        if self.text(&["authSecretRef", "key"]).is_some_and(|key| !syntax::is_secret_key_text(key)) {
            self.report_at(
                field("key"),
                String::new(),
                "must be a key of a Secret: letters, digits, -, _ and .",
            );
        }
    }

    fn connection_secret(&mut self) {
        let target = ["connInfoSecretTarget", "name"];
        if self.text(&target).is_some_and(|name| !syntax::is_object_name(name)) {
            self.report(&target, "must be a possible name of a Secret");
        }
        let written = self.get(&["connInfoSecretTargetDisabled"]) != Some(&Value::Bool(true));
        let name = self.text(&target).unwrap_or(self.name);
        if written && self.text(&["authSecretRef", "name"]).is_some_and(|token| token == name) {
            self.report(
                &["authSecretRef", "name"],
                "must be another Secret than the one connection details go to",
            );
        }
        let prefix = ["connInfoSecretTarget", "prefix"];
        let has = |list: &str| !self.list(&["connInfoSecretTarget", list]).is_empty();
        let longest = match (has("presets"), has("extraKeys")) {
            (true, _) => LONGEST_PRESET_KEY,
            (false, true) => LONGEST_EXTRA_KEY,
            (false, false) => LONGEST_KEY,
        };
        let possible =
            |prefix: &str| syntax::is_secret_key_text(prefix) && prefix.len() + longest.len() <= 253;
        if self.text(&prefix).is_some_and(|prefix| !possible(prefix)) {
            self.report(&prefix, "must start a key of a Secret: letters, digits, -, _ and .");
        }
        self.secret_metadata();
    }

    fn declared_password(&mut self) {
        let source = ["connInfoSecretSource", "name"];
        if self.text(&source).is_some_and(|name| !syntax::is_object_name(name)) {
            self.report(&source, "must be a possible name of a Secret");
        }
        let target = self.text(&["connInfoSecretTarget", "name"]).unwrap_or(self.name);
        let written = self.get(&["connInfoSecretTargetDisabled"]) != Some(&Value::Bool(true));
        if written && self.text(&source) == Some(target) {
            self.report(&source, "must be another Secret than the one connection details go to");
        }
    }

    fn takeover(&mut self) {
        let redis = ["migrateFrom", "redis"];
        if self.text(&redis).is_some_and(|redis| redis != self.name) {
            self.report(&redis, "must be metadata.name: the service keeps its name");
        }
        let creates = self.get(&["userConfig", "service_to_fork_from"]).is_some()
            || !self.list(&["serviceIntegrations"]).is_empty();
        if self.get(&["migrateFrom"]).is_some() && creates {
            self.report_at(spec_path(&["migrateFrom"]), String::new(), "excludes a fork and a read replica");
        }
        if self.get(&["migrateFrom"]).is_some() && self.text(&["adoptionPolicy"]) == Some("Observe") {
            self.report_at(spec_path(&["migrateFrom"]), String::new(), "excludes adoptionPolicy: Observe");
        }
    }

    fn secret_metadata(&mut self) {
        for map in ["labels", "annotations"] {
            let keys = ["connInfoSecretTarget", map];
            for (key, value) in self.map(&keys) {
                let field = spec_path(&keys).key(key);
                if !syntax::is_label_key(key) {
                    self.report_at(
                        field,
                        String::new(),
                        "must have the key of a label, such as example.com/team",
                    );
                } else if map == "labels" && !syntax::is_label_value(value) {
                    let rule = "must be the value of a label: up to 63 letters, digits, -, _ and .";
                    self.report_at(field, shown(&value.into()), rule);
                }
            }
        }
    }
}

/// A manifest that names the Secret with a password for a migration, and no migration. The operator ignores it.
pub(super) fn secret_without_migration(spec: &Map<String, Value>) -> Option<Violation> {
    let present =
        |keys: &[&str]| keys.iter().try_fold(spec, |fields, key| fields.get(*key)?.as_object()).is_some();
    let unused = present(&["migrationSecretSource"]) && !present(&["userConfig", "migration"]);
    let (field, rule) = (spec_path(&["migrationSecretSource"]), "needs userConfig.migration".to_owned());
    unused.then(|| Violation { field, value: String::new(), rule })
}

fn spec_path(keys: &[&str]) -> FieldPath {
    keys.iter().fold(FieldPath::of(&["spec"]), |path, key| path.key(key))
}
