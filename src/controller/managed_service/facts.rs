//! Converts the provider's wire format to the connection of clients, and to the facts in the status.

use crate::provider::{self, Service};
use chrono::DateTime;
use secrecy::{ExposeSecret as _, SecretString};
use std::cmp::Reverse;
use valkeeper_api::{
    ServiceFacts,
    service_facts::{Endpoint, MaintenanceUpdate, ServiceBackup},
};
use valkeeper_engine::{Connection, Replica, Route, RoutedEndpoint};

/// The type of the notification that announces the end of a version's support.
const END_OF_LIFE: &str = "service_end_of_life";
/// Most waiting updates in the status; a longer list helps no reader.
const MOST_UPDATES: usize = 8;
/// Most backups in the status.
const MOST_BACKUPS: usize = 10;
/// The longest name and the longest time of a backup, in characters.
const LONGEST_NAME: usize = 128;
/// The longest description of an update, in characters.
const LONGEST_DESCRIPTION: usize = 256;

/// How to connect to a service, if the provider's answer is complete.
pub(in crate::controller) fn connection(service: &Service) -> Option<Connection> {
    connection_with(service, |name| service.service_uri_params.as_ref()?.get(name)?.as_deref())
}

/// The same for a user of the service with a password of its own.
pub(in crate::controller) fn connection_of(
    service: &Service,
    user: &str,
    password: &SecretString,
) -> Option<Connection> {
    connection_with(service, |name| match name {
        "user" => Some(user),
        "password" => Some(password.expose_secret()),
        name => service.service_uri_params.as_ref()?.get(name)?.as_deref(),
    })
}

fn connection_with<'p>(service: &Service, parameter: impl Fn(&str) -> Option<&'p str>) -> Option<Connection> {
    let connection = Connection::from_parameters(parameter)?;
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
        backups: backups(service),
        connection_secret: None,
        connection_config_map: None,
        binding: None,
    }
}

/// The newest backups, the newest first; without those that have no name, of which none can be restored.
fn backups(service: &Service) -> Vec<ServiceBackup> {
    let mut backups: Vec<_> = service
        .backups
        .iter()
        .flatten()
        .filter_map(|backup| {
            let bounded = |text: &String| text.chars().take(LONGEST_NAME).collect::<String>();
            Some(ServiceBackup {
                name: backup.backup_name.as_ref().filter(|name| !name.is_empty()).map(bounded)?,
                time: backup.backup_time.as_ref().map(bounded),
                size_bytes: backup.data_size.and_then(|size| i64::try_from(size).ok()),
            })
        })
        .collect();
    let taken = |backup: &ServiceBackup| DateTime::parse_from_rfc3339(backup.time.as_deref()?).ok();
    backups.sort_by_cached_key(|backup| Reverse((taken(backup), backup.name.clone())));
    backups.truncate(MOST_BACKUPS);
    backups
}

fn update(update: &provider::PendingUpdate) -> MaintenanceUpdate {
    let description = update.description.as_deref().unwrap_or_default();
    MaintenanceUpdate {
        description: description.chars().take(LONGEST_DESCRIPTION).collect(),
        start_time: update.start_at.clone().or_else(|| update.start_after.clone()),
        deadline: update.deadline.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn listed(backups: &Value) -> Vec<ServiceBackup> {
        let service: Service = serde_json::from_value(json!({ "backups": backups })).unwrap();
        of(&service, None).backups
    }

    #[test]
    fn backups_are_the_newest_first_and_bounded() {
        let taken = |hour: usize| json!({"backup_name": format!("b{hour}"), "data_size": hour, "backup_time": format!("2026-01-01T{hour:02}:00:00.5Z")});
        let backups = listed(&(0..14).map(taken).collect());
        let names: Vec<_> = backups.iter().map(|backup| backup.name.as_str()).collect();
        assert_eq!(names, ["b13", "b12", "b11", "b10", "b9", "b8", "b7", "b6", "b5", "b4"]);
        let newest = ServiceBackup {
            name: "b13".to_owned(),
            time: Some("2026-01-01T13:00:00.5Z".to_owned()),
            size_bytes: Some(13),
        };
        assert_eq!(backups[0], newest);
    }

    #[test]
    fn times_are_compared_as_times_and_odd_backups_come_last() {
        let backups = listed(&json!([
            {"backup_name": "odd", "backup_time": "yesterday", "data_size": "many"},
            {"backup_name": "old", "backup_time": "2026-01-01T10:00:00Z"},
            {"backup_name": "new", "backup_time": "2026-01-01T08:30:00-02:00"},
            {"backup_name": "", "backup_time": "2026-01-01T12:00:00Z"},
            {"backup_time": "2026-01-01T12:00:00Z"},
            7,
        ]));
        let names: Vec<_> = backups.iter().map(|backup| backup.name.as_str()).collect();
        assert_eq!(names, ["new", "old", "odd"]);
        assert_eq!((backups[2].time.as_deref(), backups[2].size_bytes), (Some("yesterday"), None));
    }
}
