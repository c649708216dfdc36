//! PUT, PATCH, DELETE, and reads of a service.

use serde_json::{Map, Value, json};

use crate::call::Context;
use crate::catalog;
use crate::clock::{Countdown, Instant};
use crate::config::{Config, UncleanPowerOff};
use crate::reply::{Fail, Outcome};
use crate::schema::{service_body, validate};
use crate::service::{Service, State};
use crate::settings::{defaults, merge_user_config, set_emails, set_maintenance, whole_number};
use crate::token::visibility;
use crate::vpc;
use crate::world::World;

/// Permissions of which one suffices for an update.
const UPDATE: [&str; 4] = [
    "project:services:write",
    "service:configuration:write",
    "role:services:maintenance",
    "role:services:recover",
];

/// GET `/project/{p}/service/{s}`.
pub(crate) fn get(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["project:services:read"])?;
    let visibility = visibility(&world.config, context.token, context.call, false)?;
    let service = world.read(context.project, name)?;
    Ok(json!({"service": world.render(context.project, &service, visibility)}))
}

/// GET `/project/{p}/service`.
pub(crate) fn list(world: &mut World, context: &Context<'_>) -> Outcome {
    context.require(&["project:services:read"])?;
    let visibility = visibility(&world.config, context.token, context.call, true)?;
    let services = world.read_all(context.project)?;
    let list: Vec<_> =
        services.iter().map(|service| world.render(context.project, service, visibility)).collect();
    Ok(json!({"services": list}))
}

/// PUT `/project/{p}/service/{s}`.
pub(crate) fn put(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&UPDATE)?;
    world.present(context.project, name)?;
    let body = context.call.object()?;
    let unclean = context.call.query.get("allow_unclean_poweroff").map(String::as_str) != Some("false");
    apply(world, context.project, name, &body, unclean)?;
    world.event(context.project, "service_update", name);
    world.write_answer(context.project, name)
}

/// Applies an update body.
pub(crate) fn apply(
    world: &mut World,
    project: &str,
    name: &str,
    body: &Map<String, Value>,
    unclean: bool,
) -> Result<(), Fail> {
    validate(&service_body(false), &Value::Object(body.clone()), "request").map_err(Fail::bad_request)?;
    let target = network_target(world, project, name, body)?;
    world.edit(project, name, |service, config, now| {
        // Protection counts as it was before this request, also if the request removes it.
        if body.get("powered") == Some(&Value::Bool(false)) && service.protected && !service.wants_off() {
            return Err(Fail::protected());
        }
        let mut change = simple_fields(service, body, config, now)?;
        change = size(service, body)?.or(change);
        if let Some((cloud, vpc)) = target
            && (cloud != service.cloud || vpc != service.vpc)
        {
            service.leaving_vpc = service.vpc.take().filter(|_| !service.wants_off());
            service.cloud = cloud;
            service.vpc = vpc;
            change = Some(State::Rebuilding);
        }
        if let Some(state) = change
            && !service.wants_off()
        {
            service.start(state, now, config);
        }
        match body.get("powered").and_then(Value::as_bool) {
            Some(on) => power(service, on, unclean, config, now),
            None => Ok(()),
        }
    })
}

/// Returns the cloud and network of a service after an update, if the body changes either.
fn network_target(
    world: &World,
    project: &str,
    name: &str,
    body: &Map<String, Value>,
) -> Result<Option<(String, Option<String>)>, Fail> {
    let service = world.present(project, name)?;
    let cloud = body.get("cloud").and_then(Value::as_str).unwrap_or(&service.cloud);
    catalog::check_cloud(cloud)?;
    let moves = cloud != service.cloud;
    let same = body.get("project_vpc_id").is_some_and(|id| *id == json!(service.vpc));
    if !moves && (same || !body.contains_key("project_vpc_id")) {
        return Ok(None);
    }
    if service.plan.starts_with("free-") && body.get("project_vpc_id").is_some_and(Value::is_string) {
        return Err(Fail::free_tier("A project VPC"));
    }
    let vpc = vpc::place(world.project(project)?, body, cloud)?;
    Ok(Some((cloud.to_owned(), vpc)))
}

fn simple_fields(
    service: &mut Service,
    body: &Map<String, Value>,
    config: &Config,
    now: Instant,
) -> Result<Option<State>, Fail> {
    if let Some(protected) = body.get("termination_protection").and_then(Value::as_bool) {
        service.protected = protected;
    }
    if let Some(window) = body.get("maintenance").and_then(Value::as_object) {
        set_maintenance(service, window)?;
    }
    if let Some(emails) = body.get("tech_emails").and_then(Value::as_array) {
        set_emails(service, emails, config.normalize)?;
    }
    match body.get("user_config").and_then(Value::as_object) {
        Some(sent) => merge_user_config(service, sent, false, config, now),
        None => Ok(None),
    }
}

/// Changes plan and disk.
fn size(service: &mut Service, body: &Map<String, Value>) -> Result<Option<State>, Fail> {
    let wanted = body.get("plan").and_then(Value::as_str).unwrap_or(&service.plan).to_owned();
    let disk = body.get("disk_space_mb").and_then(whole_number);
    let mut change = None;
    if wanted != service.plan {
        let plan = catalog::plan(&service.kind, &wanted)?;
        let earlier =
            catalog::plan(&service.kind, &service.plan).map_or(service.disk_mb, |plan| plan.disk_mb);
        let extra = service.disk_mb.saturating_sub(earlier);
        // Additional disk space moves along and has to fit the new plan.
        let disk = disk.unwrap_or(plan.disk_mb + extra);
        plan.check_disk(disk)?;
        service.plan = wanted;
        service.disk_mb = disk;
        change = Some(State::Rebuilding);
    } else if let Some(disk) = disk.filter(|disk| *disk != service.disk_mb) {
        catalog::plan(&service.kind, &service.plan)?.check_disk(disk)?;
        if service.is_building() {
            // "Rejected" without a status in the reference.
            return Err(Fail::new(409, "Disk size cannot be changed while the service is rebuilding"));
        }
        change = (disk < service.disk_mb).then_some(State::Rebalancing);
        service.disk_mb = disk;
    }
    Ok(change)
}

fn power(service: &mut Service, on: bool, unclean: bool, config: &Config, now: Instant) -> Result<(), Fail> {
    if on == service.wants_off() {
        if !on && service.backups.is_empty() {
            let refused = !unclean || config.unclean_power_off == UncleanPowerOff::Refused;
            if refused {
                return Err(Fail::new(409, "Power-off is not allowed without an initial backup"));
            }
        }
    } else {
        return Ok(());
    }
    service.start(if on { State::Rebuilding } else { State::PowerOff }, now, config);
    Ok(())
}

/// DELETE `/project/{p}/service/{s}`.
pub(crate) fn delete(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["project:services:write"])?;
    let service = world.present(context.project, name)?;
    if service.protected {
        return Err(Fail::protected());
    }
    let project = world.project(context.project)?;
    let waiting = project.integrations.iter().any(|link| {
        let replica = link.dest_service.as_ref().and_then(|dest| project.services.get(dest));
        link.kind == "read_replica"
            && link.source_service.as_deref() == Some(name)
            && replica.is_some_and(Service::is_building)
    });
    if waiting {
        return Err(Fail::new(417, "A dependent service is still being deployed"));
    }
    remove(world, context.project, name)?;
    world.event(context.project, "service_delete", name);
    Ok(json!({"message": "deleted"}))
}

/// Removes a service whatever its state.
pub(crate) fn remove(world: &mut World, project: &str, name: &str) -> Result<(), Fail> {
    let before = world.present(project, name)?.clone();
    let wait = Countdown::new(world.config.vpc_release, world.now());
    let owner = world.project_mut(project)?;
    owner.services.remove(name);
    owner.leaving.extend(before.vpc.iter().chain(&before.leaving_vpc).map(|vpc| (vpc.clone(), wait.clone())));
    for link in owner.integrations.iter().filter(|link| link.source_service.as_deref() == Some(name)) {
        let replica = link.dest_service.as_ref().and_then(|dest| owner.services.get_mut(dest));
        if let Some(replica) = replica.filter(|_| link.kind == "read_replica") {
            replica.is_replica = false;
        }
    }
    owner.integrations.retain(|link| !link.touches(name));
    world.remember(project, name, Some(before))
}

/// PATCH `/project/{p}/service/{s}/service_type`.
pub(crate) fn change_type(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&UPDATE)?;
    let service = world.present(context.project, name)?;
    let body = context.call.object()?;
    if service.kind != "redis" || body.get("service_type") != Some(&json!("valkey")) {
        let text = format!("Service type of {name} cannot be changed");
        return Err(Fail::bad_request(text).code("service_type_not_allowed"));
    }
    if !service.maintenance_updates.is_empty() {
        return Err(Fail::new(409, "Maintenance updates are pending").code("service_maintenance_required"));
    }
    world.edit(context.project, name, |service, config, now| {
        become_valkey(service);
        service.start(State::Rebuilding, now, config);
        Ok(())
    })?;
    world.write_answer(context.project, name)
}

/// Replaces a Redis service by a Valkey service under the same name.
pub(crate) fn become_valkey(service: &mut Service) {
    service.kind = "valkey".into();
    let mut settings = defaults("valkey");
    for (key, value) in std::mem::take(&mut service.user_config) {
        if key != "redis_version" {
            settings.insert(key.replace("redis_", "valkey_"), value);
        }
    }
    service.user_config = settings;
    for user in &mut service.users {
        let rules = std::mem::take(&mut user.access_control);
        user.access_control =
            rules.into_iter().map(|(key, list)| (key.replace("redis_", "valkey_"), list)).collect();
    }
}
