//! Converts the provider's wire format to the connection of clients, and to the facts in the status.

use crate::provider::{self, Service};
use valkeeper_api::{
    ServiceFacts,
    service_facts::{Endpoint, MaintenanceUpdate},
};
use valkeeper_engine::{Connection, Replica, Route, RoutedEndpoint};

/// The type of the notification that announces the end of a version's support.
const END_OF_LIFE: &str = "service_end_of_life";
/// Most waiting updates in the status; a longer list helps no reader.
const MOST_UPDATES: usize = 8;
/// The longest description of an update, in characters.
const LONGEST_DESCRIPTION: usize = 256;

/// How to connect to a service, if the provider's answer is complete.
pub(in crate::controller) fn connection(service: &Service) -> Option<Connection> {
    let parameters = service.service_uri_params.as_ref()?;
    let connection = Connection::from_parameters(|name| parameters.get(name)?.as_deref())?;
    let tls = connection.uses_tls();
    Some(Connection { replica: replica(service, tls), routes: routes(service, tls), ..connection })
}

/// The endpoints on other routes than the default.
fn routes(service: &Service, tls: bool) -> Vec<RoutedEndpoint> {
    let endpoint = |component: &provider::Component| {
        let route = Route::parse(component.route.as_deref()?).filter(|route| *route != Route::Dynamic)?;
        let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let is_replica = match component.usage.as_deref() {
            Some("primary") => false,
            Some("replica") => true,
            _ => return None,
        };
        let (host, port) = (known(&component.host)?, known(&component.port)?);
        Some(RoutedEndpoint { route, is_replica, host, port })
    };
    let mut components: Vec<_> = service
        .components
        .iter()
        .flatten()
        .filter(|component| component.component.as_ref() == Some(&service.service_type))
        .filter(|component| component.ssl.is_none_or(|ssl| ssl == tls))
        .collect();
    components.sort_by_key(|component| component.ssl != Some(tls));
    components.into_iter().filter_map(endpoint).collect()
}

fn replica(service: &Service, tls: bool) -> Replica {
    let Some(components) = service.components.as_ref().filter(|components| !components.is_empty()) else {
        return Replica::Unlisted;
    };
    let fits = |component: &&provider::Component| {
        component.component.as_ref() == Some(&service.service_type)
            && component.usage.as_deref() == Some("replica")
            && component.route.as_deref() == Some("dynamic")
            // A port with TLS is useless to a client without TLS, and vice versa.
            && component.ssl.is_none_or(|ssl| ssl == tls)
    };
    let mut replicas: Vec<_> = components.iter().filter(fits).collect();
    replicas.sort_by_key(|component| component.ssl != Some(tls));
    let Some(replica) = replicas.first() else { return Replica::None };
    let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (known(&replica.host), known(&replica.port)) {
        (Some(host), Some(port)) => Replica::At { host, port },
        _ => Replica::Unlisted,
    }
}

/// The facts about a service in the status.
pub(in crate::controller) fn of(service: &Service, connection: Option<&Connection>) -> ServiceFacts {
    let updates = service.maintenance.iter().flat_map(|window| window.updates.iter().flatten());
    let end_of_life = service
        .service_notifications
        .iter()
        .flatten()
        .filter(|notice| notice.kind.as_deref() == Some(END_OF_LIFE))
        .find_map(|notice| notice.metadata.as_ref()?.service_end_of_life_time.clone());
    ServiceFacts {
        endpoint: connection
            .map(|connection| Endpoint { host: connection.host.clone(), port: connection.port.clone() }),
        plan: Some(service.plan.clone()),
        cloud_name: service.cloud_name.clone(),
        node_count: service.node_count.and_then(|count| i64::try_from(count).ok()),
        project_vpc_id: service.project_vpc_id.clone(),
        maintenance_updates: updates.take(MOST_UPDATES).map(update).collect(),
        end_of_life_time: end_of_life,
        last_backup_time: service
            .backups
            .iter()
            .flatten()
            .filter_map(|backup| backup.backup_time.clone())
            .max(),
        connection_secret: None,
        connection_config_map: None,
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
