//! What a step would change: the material of a plan. Guarantees that no value is shown that may be a secret. Which
//! steps there are, and in which order, is left to [`decide`](super::decide()).

use super::{
    desired::Desired,
    difference, network,
    observed::{Observed, ObservedService, Remote, ServiceState},
    request::{CreateRequest, Network, ServicePatch, TagPatch},
    tags,
};
use serde_json::{Value, json};
use valkeeper_api::{Kind, names, status::DriftedField};

/// What a change of a field does to a service that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It has no known effect on clients.
    Online,
    /// The servers restart.
    Restart,
    /// The nodes are replaced.
    Rebuild,
    /// The service stops, or starts from its last backup.
    Power,
}

impl Effect {
    /// As it stands in a plan.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Restart => "restart",
            Self::Rebuild => "rebuild",
            Self::Power => "power",
        }
    }

    /// What a change of the field at `path`, below `spec.`, does.
    pub fn of(kind: Kind, path: &str) -> Self {
        let path = path.strip_prefix("spec.").unwrap_or(path);
        match path {
            "plan" | "cloudName" | "projectVpcId" | "disk_space" => return Self::Rebuild,
            "powered" => return Self::Power,
            _ => {}
        }
        let key =
            path.strip_prefix("userConfig.").and_then(|rest| rest.split('.').next()).unwrap_or_default();
        let facts = kind.user_config_facts();
        if key.ends_with("_version") {
            Self::Rebuild
        } else if facts.iter().any(|fact| fact.name == key && fact.restarts) {
            Self::Restart
        } else {
            Self::Online
        }
    }
}

/// Every declared field, or one that was removed, in which the service is not what it should be; whether it runs
/// is among them.
pub fn differences(desired: &Desired, observed: &Observed) -> Vec<DriftedField> {
    let Remote::Present(service) = &observed.remote else { return Vec::new() };
    let resolved = network::resolved(desired, observed);
    let desired = resolved.as_ref().unwrap_or(desired);
    let settings = difference::settings(desired, service).into_iter().map(|one| one.drifted_field());
    let tags = tags::differences(desired, service).into_iter().map(|one| one.drifted_field());
    let on = service.state != ServiceState::PoweredOff;
    let power = (on != desired.powered).then(|| DriftedField {
        field: "spec.powered".to_owned(),
        declared: desired.powered.to_string(),
        found: on.to_string(),
    });
    settings.chain(tags).chain(power).collect()
}

/// The fields that a create request declares.
pub fn creation(request: &CreateRequest) -> Vec<DriftedField> {
    let plain = [
        ("plan", json!(request.plan)),
        ("cloudName", json!(request.cloud)),
        ("projectVpcId", json!(request.project_vpc_id)),
        ("disk_space", json!(request.disk_space_mb.map(|size| format!("{size}MiB")))),
        ("maintenanceWindowDow", json!(request.maintenance.as_ref().and_then(|window| window.dow.clone()))),
        ("maintenanceWindowTime", json!(request.maintenance.as_ref().and_then(|window| window.time.clone()))),
        ("terminationProtection", json!(request.termination_protection)),
        ("technicalEmails", emails(request)),
        ("serviceIntegrations", integrations(request)),
    ];
    let plain = plain.into_iter().map(|(path, value)| (path.to_owned(), value));
    let tags = request.tags.iter().filter(|(key, _)| !key.starts_with(names::OWNERSHIP_TAG_PREFIX));
    let tags = tags.map(|(key, value)| (format!("tags.{key}"), json!(value)));
    let settings = request.user_config.iter();
    let settings = settings.map(|(key, value)| (format!("userConfig.{key}"), value.clone()));
    let all = plain.chain(tags).chain(settings).filter(|(_, value)| !value.is_null());
    all.map(|(path, value)| difference::declared(&path, &value)).collect()
}

fn emails(request: &CreateRequest) -> Value {
    let addresses =
        |all: &Vec<_>| all.iter().map(|one: &super::request::EmailBody| json!(one.email)).collect();
    request.tech_emails.as_ref().map(addresses).unwrap_or_default()
}

fn integrations(request: &CreateRequest) -> Value {
    let sources = request.service_integrations.iter().map(|one| json!(one.source_service));
    let sources: Vec<_> = sources.collect();
    if sources.is_empty() { Value::Null } else { sources.into() }
}

impl ObservedService {
    /// The service when all of `patch` is in force.
    #[must_use]
    pub fn with(&self, patch: &ServicePatch) -> Self {
        let mut next = self.clone();
        if let Some(plan) = &patch.plan {
            next.plan.clone_from(plan);
        }
        next.cloud = patch.cloud.clone().or(next.cloud);
        match &patch.project_vpc_id {
            Some(Network::Public) => next.project_vpc_id = None,
            Some(Network::Vpc(id)) => next.project_vpc_id = Some(id.clone()),
            None => {}
        }
        next.disk_space_mb = patch.disk_space_mb.or(next.disk_space_mb);
        if let Some(window) = &patch.maintenance {
            next.maintenance.day = window.dow.clone().or(next.maintenance.day);
            next.maintenance.time = window.time.clone().or(next.maintenance.time);
        }
        next.termination_protection = patch.termination_protection.unwrap_or(next.termination_protection);
        if let Some(emails) = &patch.tech_emails {
            next.technical_emails = emails.iter().map(|one| one.email.clone()).collect();
        }
        match patch.powered {
            Some(true) => next.state = ServiceState::Running,
            Some(false) => next.state = ServiceState::PoweredOff,
            None => {}
        }
        next.user_config.extend(patch.user_config.clone());
        next
    }

    /// The service when these tags are set or removed.
    #[must_use]
    pub fn with_tags(&self, patch: &TagPatch) -> Self {
        let mut next = self.clone();
        for (key, value) in patch {
            match value {
                Some(value) => drop(next.tags.insert(key.clone(), value.clone())),
                None => drop(next.tags.remove(key)),
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_follow_the_facts() {
        for (path, effect) in [
            ("spec.plan", Effect::Rebuild),
            ("spec.cloudName", Effect::Rebuild),
            ("spec.powered", Effect::Power),
            ("spec.tags.a", Effect::Online),
            ("spec.userConfig.valkey_version", Effect::Rebuild),
            ("spec.userConfig.valkey_io_threads", Effect::Restart),
            ("spec.userConfig.valkey_timeout", Effect::Online),
            ("spec.userConfig.public_access.valkey", Effect::Online),
        ] {
            assert_eq!(Effect::of(Kind::Valkey, path), effect, "{path}");
        }
    }
}
