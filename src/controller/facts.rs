//! From the provider's wire format to how clients connect, and to what the status tells.

use crate::{
    api::{
        ServiceFacts,
        service_facts::{Endpoint, MaintenanceUpdate},
    },
    engine::{Connection, Replica},
    provider::{self, Service},
};
use serde_json::Value;

/// The type of the notification that announces the end of a version's support.
const END_OF_LIFE: &str = "service_end_of_life";
/// More waiting updates than this tell nobody anything.
const MOST_UPDATES: usize = 8;
/// The longest description of an update, in characters.
const LONGEST_DESCRIPTION: usize = 256;

/// How to connect to a service, if the provider says all of it.
pub(super) fn connection(service: &Service) -> Option<Connection> {
    let parameters = &service.service_uri_params;
    let connection = Connection::from_parameters(|name| parameters.get(name).and_then(Value::as_str))?;
    let replica = replica(service, connection.uses_tls());
    Some(Connection { replica, ..connection })
}

fn replica(service: &Service, tls: bool) -> Replica {
    if service.components.is_empty() {
        return Replica::Unlisted;
    }
    let fits = |component: &&provider::Component| {
        component.component == service.service_type
            && component.usage == "replica"
            && component.route == "dynamic"
            && !component.host.is_empty()
    };
    let mut replicas: Vec<_> = service.components.iter().filter(fits).collect();
    replicas.sort_by_key(|component| component.ssl != Some(tls));
    replicas.first().map_or(Replica::None, |component| Replica::At {
        host: component.host.clone(),
        port: component.port.to_string(),
    })
}

/// What the status tells about a service.
pub(super) fn of(service: &Service, connection: Option<&Connection>) -> ServiceFacts {
    let updates = service.maintenance.iter().flat_map(|window| &window.updates);
    let notified = service.service_notifications.iter().find(|notification| notification.kind == END_OF_LIFE);
    let end_of_life =
        notified.and_then(|notification| notification.metadata.service_end_of_life_time.clone());
    ServiceFacts {
        endpoint: connection
            .map(|connection| Endpoint { host: connection.host.clone(), port: connection.port.clone() }),
        plan: Some(service.plan.clone()),
        cloud_name: service.cloud_name.clone(),
        node_count: service.node_count.and_then(|count| i64::try_from(count).ok()),
        project_vpc_id: service.project_vpc_id.clone(),
        maintenance_updates: updates.take(MOST_UPDATES).map(update).collect(),
        end_of_life_time: end_of_life,
        last_backup_time: service.backups.iter().filter_map(|backup| backup.backup_time.clone()).max(),
        connection_secret: None,
        binding: None,
    }
}

fn update(update: &provider::PendingUpdate) -> MaintenanceUpdate {
    let description = update.description.as_deref().unwrap_or_default();
    MaintenanceUpdate {
        description: description.chars().take(LONGEST_DESCRIPTION).collect(),
        start_time: update.start_at.clone().or_else(|| update.start_after.clone()),
        deadline: update.deadline.clone(),
    }
}
