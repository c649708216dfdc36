//! The service object as clients see it. Guarantees that a secret is shown only to an audience that
//! may see it, and that a service that does not change is rendered once: the text is kept next to
//! the service until the next change.

mod nodes;
mod parts;

use super::catalogue::ServiceType;
use super::clock::{Moment, after, seconds};
use super::lifecycle::{Cause, Lifecycle, REMOVAL};
use super::options::{EndpointFormat, PoweredOffConnection, Unknowns};
use super::schema::{Object, Schema};
use super::service::{Service, User};
pub(super) use parts::{backup, integration, migration, user_object};
use serde_json::{Map, Value, json};
use std::sync::{Arc, OnceLock};

/// What stands in the place of a hidden secret.
const REDACTED: &str = "<redacted>";

/// How much of a service's secrets the reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Everything.
    Shown,
    /// Connection secrets, but not those inside `user_config`.
    ConnectionOnly,
    /// Every secret reads `<redacted>`.
    Redacted,
    /// Connection secrets are empty, those inside `user_config` read `<redacted>`.
    Empty,
}

/// Renderings of an unchanged service, one for each kind of reader.
#[derive(Default)]
pub(super) struct Rendered([OnceLock<Arc<str>>; 4]);

impl Rendered {
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Clone for Rendered {
    /// A copy is made in order to be changed: it starts without renderings.
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What a rendering depends on besides the service.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) now: Moment,
    pub(super) unknowns: &'a Unknowns,
    pub(super) redis_end_of_life: Option<Moment>,
    pub(super) secrets: Secrets,
}

/// The service object as text.
pub(super) fn text(service: &Service, scene: &Scene<'_>) -> Arc<str> {
    let render = || Arc::from(value(service, scene).to_string());
    if matches!(service.lifecycle, Lifecycle::Building { .. }) || service.has_lagging_reads() {
        return render();
    }
    let slot = match scene.secrets {
        Secrets::Shown => 0,
        Secrets::ConnectionOnly => 1,
        Secrets::Redacted => 2,
        Secrets::Empty => 3,
    };
    Arc::clone(service.rendered.0[slot].get_or_init(render))
}

/// The service object.
pub(super) fn value(service: &Service, scene: &Scene<'_>) -> Value {
    Rendering { service, scene }.object()
}

struct Rendering<'a> {
    service: &'a Service,
    scene: &'a Scene<'a>,
}

impl Rendering<'_> {
    fn object(&self) -> Value {
        let service = self.service;
        let kind = service.service_type.name();
        let mut object = json!({
            "backups": service.backups.iter().map(backup).collect::<Vec<_>>(),
            "cloud_description": service.cloud.description,
            "cloud_name": service.cloud.name,
            "components": self.components(),
            "connection_info": self.connection_info(),
            "create_time": seconds(service.create_time),
            "databases": [],
            "disk_space_mb": service.disk_mb,
            "features": {},
            "group_list": ["default"],
            "is_cluster_plan": false,
            "maintenance": self.maintenance(),
            "node_count": service.plan.nodes,
            "node_cpu_count": service.plan.processors,
            // A decimal number on the wire, unlike every other size.
            "node_memory_mb": format!("{}.0", service.plan.memory_mb).parse::<f64>().unwrap_or_default(),
            "node_states": nodes::states(service, self.scene.now),
            "plan": service.plan.name,
            "project_vpc_id": service.vpc,
            "server_group": null,
            "service_integrations": service.integrations.iter().map(|each| integration(each)).collect::<Vec<_>>(),
            "service_name": service.name,
            "service_notifications": self.notifications(),
            "service_type": kind,
            "service_type_description": service.service_type.description(),
            "service_uri": self.uri(&service.connection.host).map_or(Value::Null, Value::String),
            "service_uri_params": self.uri_params(),
            "state": if service.lag.running_reads > 0 { "RUNNING" } else { service.state() },
            "tags": service.tags,
            "tech_emails": service.tech_emails.iter().map(|email| json!({ "email": email })).collect::<Vec<_>>(),
            "termination_protection": service.termination_protection,
            "update_time": seconds(service.update_time),
            "user_config": self.user_config(),
            "users": self.users(),
        });
        object["metadata"] = if service.ever_ran {
            json!({ format!("{kind}_version"): service.full_version() })
        } else {
            json!({})
        };
        object
    }

    /// Whether the object names endpoints at all.
    fn connected(&self) -> bool {
        match self.service.lifecycle {
            Lifecycle::Building { cause: Cause::Create, .. } => false,
            Lifecycle::PoweredOff { .. } | Lifecycle::Building { cause: Cause::PowerOn, .. } => {
                self.service.ever_ran
                    && self.scene.unknowns.powered_off_connection == PoweredOffConnection::Retained
            }
            _ => true,
        }
    }

    fn secret<'s>(&self, value: &'s str) -> &'s str {
        match self.scene.secrets {
            Secrets::Shown | Secrets::ConnectionOnly => value,
            Secrets::Redacted => REDACTED,
            Secrets::Empty => "",
        }
    }

    fn main_user(&self) -> Option<&User> {
        self.service.connection.main_user().filter(|_| self.connected())
    }

    fn main_password(&self) -> Option<&str> {
        Some(self.password(self.main_user()?))
    }

    fn password<'s>(&self, user: &'s User) -> &'s str {
        if user.blank_reads > 0 { "" } else { self.secret(user.password.expose()) }
    }

    fn uri(&self, host: &str) -> Option<String> {
        let (user, password) = (&self.main_user()?.name, self.main_password()?);
        let scheme = self.service.service_type.scheme(self.service.uses_tls());
        let port = self.service.connection.port(self.service.uses_tls());
        match (self.scene.secrets, self.service.service_type) {
            (Secrets::Empty, _) => None,
            (_, ServiceType::Postgres) => {
                Some(format!("{scheme}://{user}:{password}@{host}:{port}/defaultdb?sslmode=require"))
            }
            _ => Some(format!("{scheme}://{user}:{password}@{host}:{port}")),
        }
    }

    fn uri_params(&self) -> Value {
        let (Some(user), Some(password)) = (self.main_user(), self.main_password()) else { return json!({}) };
        let connection = &self.service.connection;
        let mut params = json!({
            "host": connection.host, "password": password, "port": connection.port(self.service.uses_tls()).to_string(),
            "ssl": if self.service.uses_tls() { "required" } else { "disable" }, "user": user.name,
        });
        if self.service.service_type == ServiceType::Postgres {
            params["dbname"] = "defaultdb".into();
        }
        params
    }

    fn connection_info(&self) -> Value {
        let (Some(uri), Some(password)) = (self.uri(&self.service.connection.host), self.main_password())
        else {
            return json!({});
        };
        let kind = self.service.service_type.name();
        let connection = &self.service.connection;
        let item = |host: &str, uri: String| match self.scene.unknowns.connection_info_items {
            EndpointFormat::Uri => uri,
            EndpointFormat::HostAndPort => format!("{host}:{}", connection.port(self.service.uses_tls())),
        };
        let mut info = Map::new();
        info.insert(kind.to_owned(), json!([item(&connection.host, uri)]));
        info.insert(format!("{kind}_password"), password.into());
        let replica_host = connection.replica_host();
        if let Some(uri) = self.uri(&replica_host).filter(|_| self.service.plan.nodes > 1) {
            info.insert(format!("{kind}_slave"), json!([item(&replica_host, uri.clone())]));
            info.insert(format!("{kind}_replica_uri"), uri.into());
        }
        info.into()
    }

    fn components(&self) -> Value {
        if !self.connected() && !nodes::almost_built(self.service, self.scene.now) {
            return json!([]);
        }
        let service = self.service;
        let component = |host: &str, port: u16, usage: &str, tls: bool| {
            json!({
                "component": service.service_type.name(), "host": host, "port": port, "route": "dynamic",
                "ssl": tls, "usage": usage,
            })
        };
        let (host, port) = (&service.connection.host, service.connection.port);
        let mut components = vec![component(host, port, "primary", true)];
        if !service.uses_tls() {
            components.push(component(host, service.connection.plain_port, "primary", false));
        }
        if service.plan.nodes > 1 {
            components.push(component(&service.connection.replica_host(), port, "replica", true));
        }
        for (route, setting) in [
            ("private", "private_access"),
            ("privatelink", "privatelink_access"),
            ("public", "public_access"),
        ] {
            if service
                .user_config
                .get(setting)
                .is_some_and(|access| access[service.service_type.name()] == true)
            {
                components.extend(routed(&components, route));
            }
        }
        components.into()
    }

    fn users(&self) -> Value {
        if !self.connected() && !nodes::almost_built(self.service, self.scene.now) {
            return json!([]);
        }
        self.service.connection.users.iter().map(|each| self.user(each)).collect()
    }

    fn user(&self, user: &User) -> Value {
        user_object(user, self.service.service_type, self.password(user))
    }

    fn maintenance(&self) -> Value {
        let service = self.service;
        json!({
            "dow": service.maintenance.day, "enabled": !service.is_powered_off(), "time": service.maintenance.time,
            "updates": service.pending_updates,
        })
    }

    fn notifications(&self) -> Value {
        let mut notifications = Vec::new();
        if let (ServiceType::Redis, Some(end)) = (self.service.service_type, self.scene.redis_end_of_life) {
            notifications.push(json!({
                "level": "warning", "type": "service_end_of_life",
                "message": "Redis reaches its end of life and is replaced by Valkey",
                "metadata": {
                    "service_end_of_life_time": seconds(end), "upgrade_to_service_type": "valkey",
                    "upgrade_to_version": "9.1",
                },
            }));
        }
        if let (true, Lifecycle::PoweredOff { since }) =
            (self.service.removal_announced, self.service.lifecycle)
        {
            let end = after(since, REMOVAL);
            notifications.push(json!({
                "level": "warning", "type": "service_powered_off_removal",
                "message": "Powered-off services are removed after a long idle period",
                "metadata": { "service_end_of_life_time": seconds(end) },
            }));
        }
        notifications.into()
    }

    fn user_config(&self) -> Value {
        let mut config = self.service.user_config.clone();
        if self.scene.secrets != Secrets::Shown {
            redact(&mut config, Schema::of(self.service.service_type));
        }
        for (key, value) in &self.scene.unknowns.rewritten_user_config {
            if let Some(known) = config.get_mut(key) {
                *known = value.clone();
            }
        }
        config.into()
    }
}

/// The same endpoints on another route.
fn routed(components: &[Value], route: &str) -> Vec<Value> {
    let other = components.iter().filter(|component| component["route"] == "dynamic").cloned();
    other
        .map(|mut component| {
            component["host"] = format!("{route}-{}", component["host"].as_str().unwrap_or_default()).into();
            component["route"] = route.into();
            component
        })
        .collect()
}

fn redact(config: &mut Object, schema: &Schema) {
    for (key, value) in config {
        let Some(object) = value.as_object_mut() else { continue };
        for secret in schema.secrets_in(key) {
            if let Some(value) = object.get_mut(secret) {
                *value = REDACTED.into();
            }
        }
    }
}
