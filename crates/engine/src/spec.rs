//! Reads a custom resource into what is desired: defaults applied, names resolved, and what it declares listed.

use super::{
    conditions, config_map,
    declared::{self, Hashes},
    desired::{Desired, SourceReference, Vpc},
    maintenance, normal,
    observed::Maintenance,
    policies::{Defaults, Policies},
    secret_target,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use valkeeper_api::{
    ManagedService, ServiceSpec,
    common::disk_space_mib,
    names::{self, condition},
    status::{Migration, MigrationPhase},
};

impl Desired {
    /// Reads a custom resource. It must have been validated: values out of bounds are not detected here.
    pub fn of<K: ManagedService>(object: &K, defaults: Defaults) -> Self {
        let (metadata, spec, status) = (object.meta(), object.service(), object.status());
        let name = metadata.name.clone().unwrap_or_default();
        let annotations = metadata.annotations.clone().unwrap_or_default();
        let user_config = object.user_config();
        let initialized_in_status = has_condition(object, condition::INITIALIZED, "True");
        let desired = Self {
            kind: K::KIND,
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            has_finalizer: names::has_finalizer(metadata),
            is_releasing: is_releasing(metadata),
            token_secret: spec.auth_secret_ref.as_ref().map(|reference| reference.name.clone()),
            names_token: spec.auth_secret_ref.is_some(),
            policies: Policies::of(&spec.policies, &annotations, defaults),
            initialized: initialized_in_status || was_processed(metadata),
            initialized_in_status,
            migration: migration(object),
            password_in_spec: user_config
                .get("migration")
                .is_some_and(|migration| migration.get("password").is_some()),
            migration_password_in_secret: spec.migration_secret_source.is_some(),
            source: source(spec, &user_config),
            project: spec.project.clone(),
            plan: spec.plan.clone(),
            cloud: non_empty(spec.cloud_name.as_ref()),
            vpc: vpc(spec),
            disk_space_mb: spec.disk_space.as_deref().and_then(disk_space_mib),
            maintenance: Maintenance {
                day: non_empty(spec.maintenance_window_dow.as_ref()),
                time: non_empty(spec.maintenance_window_time.as_ref()),
            },
            technical_emails: spec
                .technical_emails
                .as_ref()
                .map(|emails| emails.iter().map(|entry| entry.email.clone()).collect()),
            termination_protection: spec.termination_protection,
            tags: spec.tags.clone(),
            integrations: spec
                .service_integrations
                .iter()
                .flatten()
                .map(|entry| (entry.integration_type.clone(), entry.source_service_name.clone()))
                .collect(),
            powered: spec.powered.unwrap_or(true),
            schedule: None,
            secret: secret_target::of(object, &name),
            config_map: config_map::target(object),
            takes_over: object.migrates_from_redis(),
            was_taken_over: was_taken_over(object),
            maintenance_request: maintenance::request(object),
            declared: Hashes::new(),
            record: declared::record(object),
            record_is_in_status: status.is_some_and(|status| !status.declared_values.is_empty()),
            annotations,
            user_config,
            violations: Vec::new(),
            name,
        };
        declaring(desired)
    }

    /// The same resource in the VPC that its reference stands for.
    pub(super) fn in_vpc(&self, id: &str) -> Self {
        declaring(Self { vpc: Vpc::Id(id.to_owned()), ..self.clone() })
    }
}

/// `desired` with a list of what it declares now.
pub(super) fn declaring(mut desired: Desired) -> Desired {
    desired.declared = hashes(&desired);
    desired
}

/// Objects that aiven-operator has brought up carry its annotation, whatever their conditions.
fn was_processed(metadata: &ObjectMeta) -> bool {
    let annotations = metadata.annotations.as_ref();
    names::has_finalizer(metadata)
        && annotations.is_some_and(|all| all.contains_key(names::GENERATION_PROCESSED))
}

/// Whether the last report said that another resource has taken over the service.
fn was_taken_over<K: ManagedService>(object: &K) -> bool {
    let conditions = object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions::reason_of_ready(conditions) == Some(names::reason::MIGRATED)
}

/// The migration in the status; an older status has at least the phase of the declared one.
fn migration<K: ManagedService>(object: &K) -> Option<Migration> {
    let known = object.status().and_then(|status| status.migration.clone());
    let reported = |status| has_condition(object, condition::MIGRATION_COMPLETE, status);
    let phase = match (reported("True"), reported("False")) {
        (true, _) => MigrationPhase::Complete,
        (_, true) => MigrationPhase::Running,
        (false, false) => return known,
    };
    known.or(Some(Migration { source: String::new(), phase }))
}

fn has_condition<K: ManagedService>(object: &K, type_: &str, status: &str) -> bool {
    let conditions = object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == type_ && condition.status == status)
}

fn vpc(spec: &ServiceSpec) -> Vpc {
    match (&spec.project_vpc_id, &spec.project_vpc_ref) {
        (Some(id), _) if !id.is_empty() => Vpc::Id(id.clone()),
        (_, Some(reference)) => Vpc::Reference(reference.name.clone()),
        _ => Vpc::Undeclared,
    }
}

fn source(spec: &ServiceSpec, user_config: &Map<String, Value>) -> Option<SourceReference> {
    let setting = |key: &str| user_config.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(name) = setting("service_to_fork_from") {
        return Some(SourceReference {
            project: setting("project_to_fork_from").unwrap_or(&spec.project).to_owned(),
            name: name.to_owned(),
            purpose: "fork",
            has_to_run: false,
            backup: setting("recovery_basebackup_name").map(str::to_owned),
        });
    }
    let replica = spec.service_integrations.iter().flatten().next()?;
    Some(SourceReference {
        project: spec.project.clone(),
        name: replica.source_service_name.clone(),
        purpose: "read replica",
        has_to_run: true,
        backup: None,
    })
}

/// Whether the object is being deleted and its annotation states that nothing is left at Aiven.
pub(crate) fn is_releasing(metadata: &ObjectMeta) -> bool {
    let settled = metadata.annotations.as_ref().and_then(|all| all.get(names::SERVICE_SETTLED));
    metadata.deletion_timestamp.is_some() && settled.is_some() && settled == metadata.uid.as_ref()
}

fn non_empty(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

/// What `desired` declares.
fn hashes(desired: &Desired) -> Hashes {
    let window = &desired.maintenance;
    let vpc = match &desired.vpc {
        Vpc::Id(id) => Some(json!(id)),
        // Another VPC behind the same reference is another value, as soon as it is resolved.
        Vpc::Reference(_) => Some(Value::Null),
        Vpc::Undeclared => None,
    };
    let plain = [
        ("plan", Some(json!(desired.plan))),
        ("cloudName", desired.cloud.as_ref().map(|cloud| json!(cloud))),
        ("projectVpcId", vpc),
        ("disk_space", desired.disk_space_mb.map(|size| json!(size))),
        ("maintenanceWindowDow", window.day.as_ref().map(|day| json!(day))),
        ("maintenanceWindowTime", window.time.as_ref().map(|time| json!(time))),
        ("terminationProtection", desired.termination_protection.map(|on| json!(on))),
        ("technicalEmails", desired.technical_emails.as_ref().map(|all| json!(normal::emails(all)))),
        ("powered", Some(json!(desired.powered))),
    ];
    let plain = plain.into_iter().filter_map(|(path, value)| Some((path.to_owned(), value?)));
    let tags = desired.tags.iter().flatten().map(|(key, value)| (format!("tags.{key}"), json!(value)));
    let mut values: BTreeMap<String, Value> = plain.chain(tags).collect();
    for (key, value) in &desired.user_config {
        values.extend(setting(desired, key, value));
    }
    values.into_iter().map(|(path, value)| (path, declared::hash(&value))).collect()
}

/// A setting and, if it has any, its members; not those that only count when a service is created.
fn setting(desired: &Desired, key: &str, value: &Value) -> Vec<(String, Value)> {
    let facts = desired.kind.user_config_facts();
    if facts.iter().any(|fact| fact.name == key && fact.create_only) {
        return Vec::new();
    }
    let path = format!("userConfig.{key}");
    let value = normal::setting(key, value);
    let Value::Object(members) = &value else { return vec![(path, value)] };
    if key == normal::MIGRATION {
        return vec![(path, value)];
    }
    let members = members.iter().map(|(member, value)| (format!("{path}.{member}"), value.clone()));
    members.chain([(path.clone(), json!({}))]).collect()
}
