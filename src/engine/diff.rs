//! The difference between what a spec declares and what the provider has, as the smallest request that
//! removes it. Fields that the spec does not declare are neither compared nor sent, unless the spec
//! declared them before and dropped them.

use super::{
    desired::{Desired, Vpc},
    observed::{Maintenance, ObservedService},
    step::{CreateRequest, EmailBody, IntegrationBody, MaintenanceBody, Network, ServicePatch},
    user_config,
};
use crate::api::names;
use std::collections::{BTreeMap, BTreeSet};

/// The request that creates the service.
pub(super) fn creation(desired: &Desired) -> CreateRequest {
    let mut tags = desired.tags.clone().unwrap_or_default();
    if desired.policies.marks_ownership {
        tags.insert(names::OWNER_TAG.to_owned(), desired.uid.clone());
    }
    CreateRequest {
        service_name: desired.name.clone(),
        service_type: desired.kind.service_type(),
        plan: desired.plan.clone(),
        cloud: desired.cloud.clone(),
        project_vpc_id: match &desired.vpc {
            Vpc::Id(id) => Some(id.clone()),
            Vpc::Undeclared | Vpc::Reference(_) => None,
        },
        disk_space_mb: desired.disk_space_mb,
        maintenance: maintenance(&desired.maintenance, &Maintenance::default()),
        termination_protection: desired.termination_protection,
        tech_emails: desired.technical_emails.as_deref().map(emails),
        tags,
        service_integrations: desired
            .integrations
            .iter()
            .map(|(integration_type, source)| IntegrationBody {
                integration_type: integration_type.clone(),
                source_service: source.clone(),
            })
            .collect(),
        user_config: desired.user_config.clone(),
    }
}

/// The update that makes the service what the spec declares; power is decided elsewhere.
pub(super) fn update(desired: &Desired, service: &ObservedService) -> ServicePatch {
    let differs = |wanted: &Option<String>, current: Option<&String>| {
        wanted.clone().filter(|wanted| Some(wanted) != current)
    };
    ServicePatch {
        plan: differs(&Some(desired.plan.clone()), Some(&service.plan)),
        cloud: differs(&desired.cloud, service.cloud.as_ref()),
        project_vpc_id: network(desired, service),
        disk_space_mb: desired.disk_space_mb.filter(|wanted| Some(*wanted) != service.disk_space_mb),
        maintenance: maintenance(&desired.maintenance, &service.maintenance),
        termination_protection: protection(desired, service),
        tech_emails: notification(desired, service),
        powered: None,
        user_config: user_config::changes(desired, &service.user_config),
    }
}

/// All tags the service should have, if they are not what it has. Ownership marks survive; a service that
/// came to us without one gets it along with the next edit of the spec.
pub(super) fn tags(desired: &Desired, service: &ObservedService) -> Option<BTreeMap<String, String>> {
    let (mut marks, current): (BTreeMap<_, _>, BTreeMap<_, _>) =
        service.tags.clone().into_iter().partition(|(key, _)| key.starts_with(names::OWNERSHIP_TAG_PREFIX));
    let mut tags = match &desired.tags {
        Some(tags) => tags.clone(),
        None if desired.was_removed("tags") => BTreeMap::new(),
        None => current.clone(),
    };
    let marks_now = desired.policies.marks_ownership && !desired.is_settled();
    if tags == current && (marks.contains_key(names::OWNER_TAG) || !marks_now) {
        return None;
    }
    if desired.policies.marks_ownership {
        marks.insert(names::OWNER_TAG.to_owned(), desired.uid.clone());
    }
    tags.extend(marks);
    Some(tags)
}

fn network(desired: &Desired, service: &ObservedService) -> Option<Network> {
    match (&desired.vpc, &service.project_vpc_id) {
        (Vpc::Id(wanted), Some(current)) if wanted == current => None,
        (Vpc::Id(wanted), _) => Some(Network::Vpc(wanted.clone())),
        // Null moves a service to the public network: only for a VPC that the user took out of the spec.
        (Vpc::Undeclared, Some(_)) if desired.was_removed("projectVpcId") => Some(Network::Public),
        (Vpc::Undeclared | Vpc::Reference(_), _) => None,
    }
}

fn maintenance(wanted: &Maintenance, current: &Maintenance) -> Option<MaintenanceBody> {
    let body = MaintenanceBody {
        dow: wanted.day.clone().filter(|_| wanted.day != current.day),
        time: wanted.time.clone().filter(|_| wanted.time != current.time),
    };
    (body != MaintenanceBody::default()).then_some(body)
}

fn protection(desired: &Desired, service: &ObservedService) -> Option<bool> {
    let removed = desired.was_removed("terminationProtection").then_some(false);
    desired.termination_protection.or(removed).filter(|wanted| *wanted != service.termination_protection)
}

fn notification(desired: &Desired, service: &ObservedService) -> Option<Vec<EmailBody>> {
    let removed = desired.was_removed("technicalEmails").then(Vec::new);
    let wanted = desired.technical_emails.clone().or(removed)?;
    let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
    (set(&wanted) != set(&service.technical_emails)).then(|| emails(&wanted))
}

fn emails(addresses: &[String]) -> Vec<EmailBody> {
    addresses.iter().map(|email| EmailBody { email: email.clone() }).collect()
}
