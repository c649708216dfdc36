//! From the provider's wire format to what the engine looks at.

use crate::{
    engine::{Connection, Maintenance, ObservedService, ServiceState},
    provider::Service,
};
use serde_json::Value;

/// The engine's view of a service.
pub(super) fn service(service: Service) -> ObservedService {
    let parameters = service.service_uri_params;
    let connection = Connection::from_parameters(|name| parameters.get(name).and_then(Value::as_str));
    ObservedService {
        state: ServiceState::parse(&service.state),
        service_type: service.service_type,
        plan: service.plan,
        cloud: service.cloud_name,
        project_vpc_id: service.project_vpc_id,
        disk_space_mb: service.disk_space_mb,
        maintenance: service
            .maintenance
            .map_or_else(Maintenance::default, |window| Maintenance { day: window.dow, time: window.time }),
        technical_emails: service.tech_emails.into_iter().map(|entry| entry.email).collect(),
        termination_protection: service.termination_protection,
        tags: service.tags,
        user_config: service.user_config,
        connection,
        backups: service.backups.len(),
    }
}
