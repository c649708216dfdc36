//! What a custom resource asks for, in normal form: defaults applied, names resolved, and the list of
//! what it declares, so that a field somebody removes later can be told from one nobody ever set.

use super::{
    observed::Maintenance,
    policies::{Defaults, Policies},
    secret_target::{self, SecretTarget},
    source::SourceReference,
};
use crate::api::{
    Kind, ManagedService, ServiceSpec,
    common::disk_space_mib,
    names::{self, condition},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The wish, in normal form.
#[derive(Clone)]
pub struct Desired {
    /// Valkey or Redis.
    pub kind: Kind,
    /// Name of the custom resource and of the service.
    pub name: String,
    /// Identity of the custom resource; marks the service as its own.
    pub uid: String,
    /// `metadata.generation` of the spec this was read from.
    pub generation: i64,
    /// Somebody asked Kubernetes to delete the custom resource.
    pub deleting: bool,
    /// Our finalizer is on the custom resource.
    pub has_finalizer: bool,
    /// The service is settled, and all that is left is to let the token and the resource go.
    pub is_releasing: bool,
    /// The Secret with the token, if the resource names one.
    pub token_secret: Option<String>,
    /// How the resource behaves where more than one behaviour is right.
    pub policies: Policies,
    /// The service was created or taken over by this object before.
    pub initialized: bool,
    /// A migration that the spec declares has come to its end before.
    pub migration_complete: bool,
    /// A migration was seen under way, or at its end, before.
    pub migration_seen: bool,
    /// The password of a migration source stands in the spec.
    pub password_in_spec: bool,
    /// The service that this one is to be made from.
    pub source: Option<SourceReference>,
    /// Provider project.
    pub project: String,
    /// Subscription plan.
    pub plan: String,
    /// Cloud and region.
    pub cloud: Option<String>,
    /// Network.
    pub vpc: Vpc,
    /// Disk space in MiB.
    pub disk_space_mb: Option<u64>,
    /// Maintenance window.
    pub maintenance: Maintenance,
    /// Notification addresses.
    pub technical_emails: Option<Vec<String>>,
    /// Protection against deletion and power-off.
    pub termination_protection: Option<bool>,
    /// Tags.
    pub tags: Option<BTreeMap<String, String>>,
    /// Source services of read replicas, by integration type.
    pub integrations: Vec<(String, String)>,
    /// Whether the service should run.
    pub powered: bool,
    /// Settings.
    pub user_config: Map<String, Value>,
    /// Where the connection goes, unless it is switched off.
    pub secret: Option<SecretTarget>,
    /// Paths of everything declared now.
    pub declared: BTreeSet<String>,
    /// Paths that were declared when they were last written down; none before the first time.
    pub previously_declared: Option<BTreeSet<String>>,
    /// They are in the status, and need not be in an annotation any more.
    pub status_has_declarations: bool,
    /// Rules that the spec breaks, in words.
    pub violations: Vec<String>,
    /// The annotations of the custom resource.
    pub annotations: BTreeMap<String, String>,
}

impl fmt::Debug for Desired {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings may hold a migration password.
        formatter
            .debug_struct("Desired")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The network a service should be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vpc {
    /// Not declared.
    Undeclared,
    /// This one.
    Id(String),
    /// The one that this object describes.
    Reference(String),
}

impl Desired {
    /// Reads a custom resource. It must have been validated: values out of bounds are not noticed here.
    pub fn of<K: ManagedService>(object: &K, defaults: Defaults) -> Self {
        let (metadata, spec, status) = (object.meta(), object.service(), object.status());
        let name = metadata.name.clone().unwrap_or_default();
        let annotations = metadata.annotations.clone().unwrap_or_default();
        let user_config = object.user_config();
        let vpc = match (&spec.project_vpc_id, &spec.project_vpc_ref) {
            (Some(id), _) if !id.is_empty() => Vpc::Id(id.clone()),
            (_, Some(reference)) => Vpc::Reference(reference.name.clone()),
            _ => Vpc::Undeclared,
        };
        let mut desired = Self {
            kind: K::KIND,
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            has_finalizer: names::has_finalizer(metadata),
            is_releasing: is_releasing(metadata),
            token_secret: spec.auth_secret_ref.as_ref().map(|reference| reference.name.clone()),
            policies: Policies::of(&spec.policies, &annotations, defaults),
            initialized: has_condition(object, condition::INITIALIZED, "True") || was_processed(metadata),
            migration_complete: has_condition(object, condition::MIGRATION_COMPLETE, "True"),
            migration_seen: has_condition(object, condition::MIGRATION_COMPLETE, "False"),
            password_in_spec: user_config
                .get("migration")
                .is_some_and(|migration| migration.get("password").is_some()),
            source: source(spec, &user_config),
            project: spec.project.clone(),
            plan: spec.plan.clone(),
            cloud: non_empty(spec.cloud_name.as_ref()),
            vpc,
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
            secret: secret_target::of(object, &name),
            declared: BTreeSet::new(),
            status_has_declarations: status.is_some_and(|status| !status.declared_fields.is_empty()),
            previously_declared: previously_declared(object),
            annotations,
            user_config,
            violations: Vec::new(),
            name,
        };
        desired.declared = desired.declared_paths();
        desired
    }

    /// Whether this very spec was brought about before, so that a difference now is somebody else's doing.
    pub fn is_settled(&self) -> bool {
        self.annotations.get(names::GENERATION_PROCESSED) == Some(&self.generation.to_string())
    }

    /// Whether `path` was declared before and is not any more.
    pub(super) fn was_removed(&self, path: &str) -> bool {
        !self.declared.contains(path)
            && self.previously_declared.as_ref().is_some_and(|previous| previous.contains(path))
    }

    /// An update went out, and with it every reset; tags travel on their own.
    pub fn resets_were_sent(&mut self) {
        if let Some(previous) = &mut self.previously_declared {
            previous.retain(|path| path == "tags" || self.declared.contains(path));
        }
    }

    /// Everything declared, as [`names::DECLARED_FIELDS`] holds it.
    pub fn declarations(&self) -> String {
        self.declared.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    }

    fn declared_paths(&self) -> BTreeSet<String> {
        let fields = [
            // The plan is always declared, so that the list is never empty once it was written.
            ("plan", true),
            ("tags", self.tags.is_some()),
            ("technicalEmails", self.technical_emails.is_some()),
            ("terminationProtection", self.termination_protection.is_some()),
            ("projectVpcId", self.vpc != Vpc::Undeclared),
        ];
        let mut paths: BTreeSet<String> =
            fields.iter().filter(|(_, declared)| *declared).map(|(path, _)| (*path).to_owned()).collect();
        for (key, value) in &self.user_config {
            paths.insert(format!("userConfig.{key}"));
            if let Value::Object(members) = value {
                paths.extend(members.keys().map(|member| format!("userConfig.{key}.{member}")));
            }
        }
        paths
    }
}

/// The status says it, or, before it was first written, what came with the finalizer.
fn previously_declared<K: ManagedService>(object: &K) -> Option<BTreeSet<String>> {
    let listed = object.status().map(|status| &status.declared_fields).filter(|fields| !fields.is_empty());
    if let Some(fields) = listed {
        return Some(fields.iter().cloned().collect());
    }
    let noted = object.meta().annotations.as_ref()?.get(names::DECLARED_FIELDS)?;
    Some(noted.split(',').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// Objects that the replaced operator has brought up carry its annotation, whatever their conditions say.
fn was_processed(metadata: &ObjectMeta) -> bool {
    let annotations = metadata.annotations.as_ref();
    names::has_finalizer(metadata)
        && annotations.is_some_and(|all| all.contains_key(names::GENERATION_PROCESSED))
}

fn has_condition<K: ManagedService>(object: &K, type_: &str, status: &str) -> bool {
    let conditions = object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == type_ && condition.status == status)
}

fn source(spec: &ServiceSpec, user_config: &Map<String, Value>) -> Option<SourceReference> {
    let setting = |key: &str| user_config.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(name) = setting("service_to_fork_from") {
        return Some(SourceReference {
            project: setting("project_to_fork_from").unwrap_or(&spec.project).to_owned(),
            name: name.to_owned(),
            purpose: "fork",
            backup: setting("recovery_basebackup_name").map(str::to_owned),
        });
    }
    let replica = spec.service_integrations.iter().flatten().next()?;
    Some(SourceReference {
        project: spec.project.clone(),
        name: replica.source_service_name.clone(),
        purpose: "read replica",
        backup: None,
    })
}

fn is_releasing(metadata: &ObjectMeta) -> bool {
    let settled = metadata.annotations.as_ref().and_then(|all| all.get(names::SERVICE_SETTLED));
    metadata.deletion_timestamp.is_some() && settled.is_some() && settled == metadata.uid.as_ref()
}

fn non_empty(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}
