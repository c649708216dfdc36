//! The request that creates a service. Fields that are not declared are left to the provider.

use super::{
    desired::{Desired, Vpc},
    request::{CreateRequest, EmailBody, IntegrationBody, MaintenanceBody},
};
use valkeeper_api::names;

/// The request that creates the service of `desired`.
pub(super) fn request(desired: &Desired) -> CreateRequest {
    let mut tags = desired.tags.clone().unwrap_or_default();
    if desired.policies.marks_ownership {
        tags.insert(names::OWNER_TAG.to_owned(), desired.uid.clone());
    }
    let window =
        MaintenanceBody { dow: desired.maintenance.day.clone(), time: desired.maintenance.time.clone() };
    let emails = desired
        .technical_emails
        .as_ref()
        .map(|all| all.iter().map(|email| EmailBody { email: email.clone() }));
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
        maintenance: (window != MaintenanceBody::default()).then_some(window),
        termination_protection: desired.termination_protection,
        tech_emails: emails.map(Iterator::collect),
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
