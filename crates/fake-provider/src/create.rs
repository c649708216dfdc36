//! POST `/project/{p}/service`.

use serde_json::{Map, Value};

use crate::call::Context;
use crate::catalog::{self, Plan};
use crate::clock::{Countdown, Instant};
use crate::integration::{Integration, check_replica};
use crate::reply::{Fail, Outcome};
use crate::schema::{service_body, validate};
use crate::service::{Activity, Service, State, User};
use crate::settings::{check_tags, defaults, merge_user_config, set_emails, set_maintenance, whole_number};
use crate::vpc;
use crate::world::World;

/// Creates a service.
pub(crate) fn create(world: &mut World, context: &Context<'_>) -> Outcome {
    context.require(&["project:services:write", "role:services:recover"])?;
    let body = context.call.object()?;
    let project = context.project;
    validate(&service_body(true), &Value::Object(body.clone()), "request").map_err(Fail::bad_request)?;
    let plan = check_identity(world, &body)?;
    let name = text(&body, "service_name").to_owned();
    let cloud = body.get("cloud").and_then(Value::as_str).unwrap_or(&world.config.default_cloud).to_owned();
    catalog::check_cloud(&cloud)?;
    let mut service = blank(world, project, &name, text(&body, "service_type"));
    service.cloud = cloud;
    configure(world, &mut service, &plan, &body)?;
    if world.project(project)?.services.contains_key(&name) {
        return Err(Fail::new(409, "Service name is already in use in this project"));
    }
    if plan.is_free() {
        check_free(world, project, &service, &body)?;
    } else {
        service.vpc = vpc::place(world.project(project)?, &body, &service.cloud)?;
    }
    fork(world, project, &plan, &mut service, &body)?;
    let links = integrations(world, project, &plan, &mut service, &body)?;
    world.remember(project, &name, None)?;
    let owner = world.project_mut(project)?;
    owner.integrations.extend(links);
    owner.services.insert(name.clone(), service);
    world.event(project, "service_create", &name);
    world.write_answer(project, &name)
}

fn text<'a>(body: &'a Map<String, Value>, key: &str) -> &'a str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn check_identity(world: &World, body: &Map<String, Value>) -> Result<Plan, Fail> {
    let name = text(body, "service_name");
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.len() < 2 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(legal) {
        return Err(Fail::bad_request(format!("Invalid input for service_name: '{name}' is not valid")));
    }
    let service_type = text(body, "service_type");
    match service_type {
        "valkey" => {}
        "redis" if world.config.redis_creation => {}
        // The status of a creation after the end of sale is not recorded.
        "redis" => {
            return Err(Fail::bad_request("Creating services of type 'redis' is not allowed")
                .code("service_type_not_allowed"));
        }
        _ => {
            let text = format!("Invalid service type '{service_type}'");
            return Err(Fail::bad_request(text).code("invalid_service_type"));
        }
    }
    catalog::plan(service_type, text(body, "plan"))
}

fn main_user(kind: &str, now: Instant) -> User {
    if !matches!(kind, "valkey" | "redis") {
        return User::new("avnadmin", now);
    }
    let mut user = User::new("default", now);
    for (list, rule) in [("categories", "+@all"), ("channels", "*"), ("keys", "*")] {
        user.access_control.insert(format!("{kind}_acl_{list}"), vec![rule].into());
    }
    user
}

fn first_settings(kind: &str) -> Map<String, Value> {
    match kind {
        "valkey" | "redis" => defaults(kind),
        _ => Map::from_iter([(format!("{kind}_version"), "17".into())]),
    }
}

/// Returns a service without nodes whose build begins.
pub(crate) fn blank(world: &mut World, project: &str, name: &str, kind: &str) -> Service {
    let (now, number) = (world.now(), world.next_number());
    Service {
        name: name.to_owned(),
        kind: kind.to_owned(),
        plan: "startup-4".into(),
        cloud: world.config.default_cloud.clone(),
        vpc: None,
        leaving_vpc: None,
        disk_mb: 25_600,
        dow: "sunday".into(),
        time: "11:00:00".into(),
        maintenance_updates: Vec::new(),
        protected: false,
        tech_emails: Vec::new(),
        tags: Map::new(),
        user_config: first_settings(kind),
        users: vec![main_user(kind, now)],
        backups: Vec::new(),
        notifications: Vec::new(),
        state: State::Rebuilding,
        activity: Activity::Working(Countdown::new(world.config.build, now)),
        has_nodes: false,
        host: format!("{name}-{project}.e.aivencloud.com"),
        port: 11_000 + number,
        version: String::new(),
        created: now,
        updated: now,
        next_backup: None,
        is_replica: false,
        data_lost: false,
        post_lag: world.config.post_lag,
        migration: None,
        overlay: None,
    }
}

fn configure(
    world: &World,
    service: &mut Service,
    plan: &Plan,
    body: &Map<String, Value>,
) -> Result<(), Fail> {
    let (config, now): (_, Instant) = (&world.config, world.now());
    service.plan.clone_from(&plan.name);
    service.disk_mb = match body.get("disk_space_mb").and_then(whole_number) {
        Some(disk) => {
            plan.check_disk(disk)?;
            disk
        }
        None => plan.disk_mb,
    };
    service.protected = body.get("termination_protection").and_then(Value::as_bool).unwrap_or(false);
    if let Some(window) = body.get("maintenance").and_then(Value::as_object) {
        set_maintenance(service, window)?;
    }
    if let Some(emails) = body.get("tech_emails").and_then(Value::as_array) {
        set_emails(service, emails, config.normalize)?;
    }
    if let Some(tags) = body.get("tags") {
        service.tags = check_tags(tags, false)?;
    }
    if let Some(sent) = body.get("user_config").and_then(Value::as_object) {
        merge_user_config(service, sent, true, config, now)?;
    }
    Ok(())
}

fn check_free(
    world: &World,
    project: &str,
    service: &Service,
    body: &Map<String, Value>,
) -> Result<(), Fail> {
    let has =
        |key: &str| body.get(key).is_some_and(|value| !value.is_null() && value != &Value::Array(vec![]));
    if has("project_vpc_id") {
        return Err(Fail::free_tier("A project VPC"));
    }
    if has("static_ips") || service.user_config.get("static_ips") == Some(&Value::Bool(true)) {
        return Err(Fail::free_tier("A static IP address"));
    }
    let taken = |other: &Service| other.kind == service.kind && other.plan.starts_with("free-");
    if world.project(project)?.services.values().any(taken) {
        return Err(Fail::free_tier("A second service of this type"));
    }
    Ok(())
}

fn fork(
    world: &World,
    project: &str,
    plan: &Plan,
    service: &mut Service,
    body: &Map<String, Value>,
) -> Result<(), Fail> {
    let source = text(&service.user_config, "service_to_fork_from");
    if source.is_empty() {
        return Ok(());
    }
    if plan.is_free() {
        return Err(Fail::free_tier("A fork"));
    }
    let source_project = match text(&service.user_config, "project_to_fork_from") {
        "" => project,
        other => other,
    };
    let source = world.present(source_project, source)?;
    if source.backups.is_empty() || !source.persists() {
        return Err(Fail::bad_request(format!("No valid backups for service {}", source.name)));
    }
    if body.get("copy_tags") == Some(&Value::Bool(true)) {
        let mut tags = source.tags.clone();
        tags.append(&mut service.tags);
        service.tags = tags;
    }
    Ok(())
}

fn integrations(
    world: &World,
    project: &str,
    plan: &Plan,
    service: &mut Service,
    body: &Map<String, Value>,
) -> Result<Vec<Integration>, Fail> {
    let sent = body.get("service_integrations").and_then(Value::as_array).into_iter().flatten();
    let mut result = Vec::new();
    for item in sent {
        if plan.is_free() {
            return Err(Fail::free_tier("A service integration"));
        }
        let mut link = Integration::parse(item.as_object().unwrap_or(&Map::new()), project, Some(service))?;
        Integration::refuse_hobbyist(&service.plan)?;
        if link.kind == "read_replica" {
            check_replica(world, &link, service)?;
            service.is_replica = true;
            link.active = true;
        }
        result.push(link);
    }
    Ok(result)
}
