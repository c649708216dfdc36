//! Rendering of service objects, the removal of secrets included.

use serde_json::{Map, Value, json};

use crate::catalog;
use crate::clock::{Instant, seconds};
use crate::config::{Config, PowerOffShape};
use crate::service::{Activity, Service, State, User};
use crate::shapes;
use crate::token::Visibility;

/// Literal in place of a hidden secret.
pub(crate) const REDACTED: &str = "<redacted>";

/// Circumstances of an answer.
pub(crate) struct View<'a> {
    pub(crate) config: &'a Config,
    pub(crate) now: Instant,
    pub(crate) visibility: Visibility,
    pub(crate) integrations: Vec<Value>,
}

/// Renders a service object.
pub(crate) fn render(service: &Service, view: &View<'_>) -> Value {
    let mut body = identity(service);
    let mut rest = sizes(service);
    rest.append(&mut connection(service, view));
    body.append(&mut rest);
    body.insert("service_integrations".into(), view.integrations.clone().into());
    body.insert("node_states".into(), nodes(service, view.now));
    let prepared =
        service.has_nodes || service.state == State::PowerOff || build_part(service, view.now) >= 0.6;
    let users: Vec<_> = service
        .users
        .iter()
        .filter(|user| prepared && user.hidden_reads == 0)
        .map(|user| render_user(user, view.visibility != Visibility::Redacted))
        .collect();
    body.insert("users".into(), users.into());
    let mut body = Value::Object(body);
    if view.visibility != Visibility::Clear && body["user_config"]["migration"]["password"].is_string() {
        body["user_config"]["migration"]["password"] = REDACTED.into();
    }
    shapes::apply(&view.config.shapes, &mut body);
    if let Some(overlay) = &service.overlay {
        shapes::merge_patch(&mut body, overlay);
    }
    body
}

fn identity(service: &Service) -> Map<String, Value> {
    let version_key = format!("{}_version", service.kind);
    let metadata = if service.has_nodes { json!({version_key: service.version}) } else { json!({}) };
    let body = json!({
        "backups": service.backups, "cloud_name": service.cloud, "plan": service.plan,
        "cloud_description": catalog::cloud_description(&service.cloud),
        "create_time": seconds(service.created), "update_time": seconds(service.updated),
        "databases": [], "features": {}, "group_list": ["default"], "is_cluster_plan": false,
        "maintenance": {"dow": service.dow, "time": service.time, "updates": service.maintenance_updates,
            "enabled": service.state != State::PowerOff && service.dow != "never"},
        "metadata": metadata, "project_vpc_id": service.vpc, "server_group": null,
        "service_name": service.name, "service_notifications": service.notifications,
        "service_type": service.kind, "service_type_description": catalog::type_description(&service.kind),
        "state": service.state.name(), "tags": service.tags, "tech_emails": service.tech_emails,
        "termination_protection": service.protected, "user_config": service.user_config,
    });
    into_map(body)
}

fn sizes(service: &Service) -> Map<String, Value> {
    let plan = catalog::plan(&service.kind, &service.plan).ok();
    let memory = plan.as_ref().map_or(4096, |plan| plan.memory_mb);
    let memory = f64::from(u32::try_from(memory).unwrap_or(u32::MAX));
    into_map(json!({
        "disk_space_mb": service.disk_mb, "node_memory_mb": memory,
        "node_count": plan.as_ref().map_or(1, |plan| plan.nodes),
        "node_cpu_count": plan.as_ref().map_or(2, catalog::Plan::cpus),
    }))
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn build_part(service: &Service, now: Instant) -> f64 {
    match &service.activity {
        Activity::Working(wait) => wait.progress(now),
        _ => 0.0,
    }
}

fn node_count(service: &Service) -> u64 {
    catalog::plan(&service.kind, &service.plan).map_or(1, |plan| plan.nodes)
}

fn nodes(service: &Service, now: Instant) -> Value {
    let part = build_part(service, now);
    let state = match (service.state, part) {
        (State::PowerOff, _) => return json!([]),
        (State::Running, _) => "running",
        (_, part) if part < 0.3 && !service.has_nodes => return json!([]),
        (_, part) if part < 0.6 => "setting_up_vm",
        _ => "syncing_data",
    };
    (1..=node_count(service))
        .map(|number| {
            let mut node = json!({"availability_zone": null, "name": format!("{}-{number}", service.name),
                "progress_updates": [], "state": state});
            if state == "running" {
                node["role"] = if number == 1 { "master" } else { "standby" }.into();
                node["availability_zone"] = "europe-west1-b".into();
            } else {
                node["progress_updates"] = json!([{"completed": false, "current": null, "max": null,
                    "min": null, "phase": "prepare", "unit": null}]);
            }
            node
        })
        .collect()
}

/// Renders a user. A password that was set outside the API is null.
pub(crate) fn render_user(user: &User, secrets: bool) -> Value {
    let settled = user.password.as_deref().filter(|_| user.reset_lag == 0);
    let password = settled.map(|password| if secrets { password } else { REDACTED });
    let kind = if matches!(user.name.as_str(), "default" | "avnadmin") { "primary" } else { "normal" };
    let mut body = json!({"username": user.name, "password": password, "type": kind,
        "password_updated_time": seconds(user.changed)});
    // Empty ACL lists are omitted, and so is an object without lists.
    if !user.access_control.is_empty() {
        body["access_control"] = user.access_control.clone().into();
    }
    body
}

/// Addresses and credentials of a service.
struct Link<'a> {
    service: &'a Service,
    user: &'a str,
    password: &'a str,
    tls: bool,
}

impl Link<'_> {
    fn uri(&self, host_prefix: &str) -> String {
        let scheme = match (self.service.kind.as_str(), self.tls) {
            ("valkey", true) => "valkeys",
            ("valkey", false) => "valkey",
            ("redis", true) => "rediss",
            ("redis", false) => "redis",
            ("pg", _) => "postgres",
            _ => "https",
        };
        let Service { host, port, .. } = self.service;
        // Only the password inside a URI is redacted: the URI still appears usable.
        format!("{scheme}://{}:{}@{host_prefix}{host}:{port}", self.user, self.password)
    }

    fn params(&self) -> Value {
        let mut params = json!({"host": self.service.host, "port": self.service.port.to_string(),
            "user": self.user, "password": self.password});
        // The value without TLS is not documented; the key is absent then.
        if self.tls {
            params["ssl"] = "required".into();
        }
        params
    }

    fn info(&self, replica: bool) -> Value {
        let kind = &self.service.kind;
        let mut info = json!({kind: [self.uri("")]});
        info[format!("{kind}_password")] = self.password.into();
        if replica {
            info[format!("{kind}_replica_uri")] = self.uri("replica-").into();
            info[format!("{kind}_slave")] = json!([self.uri("replica-")]);
        }
        info
    }

    fn components(&self, replica: bool) -> Value {
        let Service { kind, host, port, .. } = self.service;
        let component = |prefix: &str, port: u16, tls: bool, usage: &str| {
            json!({"component": kind, "host": format!("{prefix}{host}"), "port": port,
                "route": "dynamic", "ssl": tls, "usage": usage})
        };
        let mut list = vec![component("", *port, true, "primary")];
        if !self.tls {
            list.insert(0, component("", port + 1, false, "primary"));
        }
        if replica {
            list.push(component("replica-", *port, true, "replica"));
        }
        list.into()
    }
}

fn connection(service: &Service, view: &View<'_>) -> Map<String, Value> {
    let off = service.state == State::PowerOff;
    let retained = off && view.config.power_off_shape == PowerOffShape::Retained;
    let main = service.users.first();
    // While a reset settles, the connection fields still carry the earlier password.
    let current = main.and_then(|user| match user.reset_lag {
        0 => user.password.as_deref(),
        _ => user.earlier.as_deref(),
    });
    let hidden = view.visibility == Visibility::Redacted;
    let password = current.map_or("", |password| if hidden { REDACTED } else { password });
    let tls = service.setting("ssl").and_then(Value::as_bool).unwrap_or(true);
    let link = Link { service, user: main.map_or("default", |user| user.name.as_str()), password, tls };
    let replica = node_count(service) > 1;
    let prepared = service.has_nodes || retained || (!off && build_part(service, view.now) >= 0.6);
    let components = if prepared { link.components(replica) } else { json!([]) };
    if service.has_nodes || retained {
        return into_map(json!({"service_uri": link.uri(""), "service_uri_params": link.params(),
            "connection_info": link.info(replica), "components": components}));
    }
    if off && view.config.power_off_shape == PowerOffShape::EmptyStrings {
        return into_map(json!({"service_uri": ""}));
    }
    into_map(json!({"service_uri": null, "service_uri_params": {}, "connection_info": {},
        "components": components}))
}
