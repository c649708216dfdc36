//! Sub-resources of a service: tags, backups, migration, maintenance, alerts, tasks, and logs.

use serde_json::{Map, Value, json};

use crate::call::Context;
use crate::clock::{micros, seconds};
use crate::reply::{Fail, Outcome};
use crate::service::State;
use crate::settings::check_tags;
use crate::world::World;

fn changed_tags(context: &Context<'_>, present: &Map<String, Value>) -> Result<Map<String, Value>, Fail> {
    let patch = context.call.method == "PATCH";
    let body = context.call.object()?;
    let sent = check_tags(body.get("tags").unwrap_or(&Value::Null), patch)?;
    if !patch {
        return Ok(sent);
    }
    let mut result = present.clone();
    for (key, value) in sent {
        if value.is_null() {
            result.remove(&key);
        } else {
            result.insert(key, value);
        }
    }
    Ok(result)
}

/// GET, PUT, and PATCH `/project/{p}/service/{s}/tags`.
pub(crate) fn tags(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["service:configuration:write"])?;
    match context.call.method.as_str() {
        "GET" => Ok(json!({"tags": world.read(context.project, name)?.tags})),
        "PUT" | "PATCH" => {
            world.edit(context.project, name, |service, _, _| {
                service.tags = changed_tags(context, &service.tags)?;
                Ok(())
            })?;
            Ok(json!({"message": "tags updated"}))
        }
        _ => Err(Fail::method_not_allowed()),
    }
}

/// GET, PUT, and PATCH `/project/{p}/tags`.
pub(crate) fn project_tags(world: &mut World, context: &Context<'_>) -> Outcome {
    context.require(&["project:services:read"])?;
    let project = world.project_mut(context.project)?;
    match context.call.method.as_str() {
        "GET" => Ok(json!({"tags": project.tags})),
        "PUT" | "PATCH" => {
            project.tags = changed_tags(context, &project.tags)?;
            Ok(json!({"message": "tags updated"}))
        }
        _ => Err(Fail::method_not_allowed()),
    }
}

/// GET `…/backups`. The body has no wrapper.
pub(crate) fn backups(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["service:configuration:write"])?;
    let service = world.read(context.project, name)?;
    let interval = if service.user_config.contains_key("backup_hour") { 24 } else { 12 };
    Ok(json!({"backups": service.backups, "backup_progress": "",
        "scheduled_backup_time": {"backup_hour": service.user_config.get("backup_hour").unwrap_or(&json!(4)),
            "backup_minute": 15, "backup_interval_hours": interval}}))
}

/// GET `…/migration`; 404 when none is active.
pub(crate) fn migration(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["developer", "operator", "read_only", "project:services:read"])?;
    let (now, config) = (world.now(), world.config.clone());
    world.present(context.project, name)?;
    let service = world.project_mut(context.project)?.services.get_mut(name);
    let status = service.and_then(|service| service.migration.as_mut()?.read(now, &config));
    status.ok_or_else(|| Fail::new(404, "No migration is active for this service"))
}

/// PUT `…/maintenance/start`.
pub(crate) fn maintenance(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["role:services:maintenance"])?;
    let started = world.edit(context.project, name, |service, config, now| {
        if service.maintenance_updates.is_empty() || service.wants_off() {
            return Ok(false);
        }
        service.start(State::Rebuilding, now, config);
        Ok(true)
    })?;
    let text = if started { "Maintenance started" } else { "Service is up to date" };
    Ok(json!({"message": text}))
}

/// POST `…/task`. The task succeeds and cannot be polled.
pub(crate) fn task(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["role:services:maintenance"])?;
    world.gate_post(context.project, name)?;
    let body = context.call.object()?;
    let kind = body.get("task_type").and_then(Value::as_str);
    let kind = kind
        .ok_or_else(|| Fail::bad_request("Invalid input for request: 'task_type' is a required property"))?;
    Ok(json!({"task": {"task_id": uuid::Uuid::new_v4().to_string(), "task_type": kind, "success": true,
        "create_time": seconds(world.now()), "result": "ok", "result_codes": []}}))
}

/// POST `…/logs`.
pub(crate) fn logs(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["service:logs:read"])?;
    world.gate_post(context.project, name)?;
    let line = json!({"msg": "Server initialized", "time": micros(world.now()), "unit": "valkey.service"});
    Ok(json!({"first_log_offset": "1", "offset": null, "logs": [line]}))
}

/// POST `…/enable-writes`.
pub(crate) fn enable_writes(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["operator"])?;
    world.gate_post(context.project, name)?;
    if world.present(context.project, name)?.wants_off() {
        return Err(Fail::not_powered());
    }
    Ok(json!({"until": seconds(world.now() + chrono::TimeDelta::minutes(15))}))
}
