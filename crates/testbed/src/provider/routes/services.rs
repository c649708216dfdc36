//! Reading, listing, deleting and maintaining services, their tags, backups and migrations.
//! Guarantees that a list is rendered without holding the lock on the world.

use super::body::{parse_tag_changes, parse_tags, required, sent_tags};
use super::update::PROTECTED;
use crate::provider::call::Call;
use crate::provider::catalogue::ServiceType;
use crate::provider::clock::after;
use crate::provider::lifecycle::Cause;
use crate::provider::outcome::{ApiError, Outcome, Reply};
use crate::provider::render::{self, Scene, Secrets};
use crate::provider::service::Service;
use crate::servers::Course;
use serde_json::{Value, json};
use std::sync::Arc;

/// How many build times a failed migration is kept where it expires at all.
const REMEMBERED: u32 = 8;

/// `GET …/service/{service}`
pub(super) fn get(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    let service = world.seen_service(call.project(), call.service())?;
    if service.has_lagging_reads() {
        // It may be deleted for other readers already.
        let _ = world.edit(call.project(), call.service(), Service::count_read);
        if service.lag.missing_reads > 0 {
            return Err(world.missing_service(call.service()));
        }
    }
    call.service_reply(world, &service)
}

/// `GET …/service`
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    let mut services = world.seen_services(call.project())?;
    for service in services.iter().filter(|service| service.has_lagging_reads()) {
        // It may be deleted for other readers already.
        let _ = world.edit(call.project(), &service.name, Service::count_read);
    }
    services.retain(|service| service.lag.missing_reads == 0);
    let disturbances = world.disturbances.clone();
    call.rendered(world, |scene| {
        let redacted = Scene { secrets: Secrets::Redacted, ..*scene };
        let scene = if disturbances.redact_lists() { &redacted } else { scene };
        let entry =
            |service: &Arc<Service>| disturbances.list_entry(&service.name, render::text(service, scene));
        let texts: Vec<Arc<str>> = services.iter().map(entry).collect();
        Reply::list("services", texts.iter().map(AsRef::as_ref))
    })
}

/// `DELETE …/service/{service}`
pub(super) fn delete(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    if world.service(call.project(), call.service())?.termination_protection {
        return Err(ApiError::forbidden(PROTECTED));
    }
    world.remove_service(call.project(), call.service(), call.now);
    let event = format!("Deleted service '{}'", call.service());
    world.project_mut(call.project())?.record(
        call.now,
        call.actor(),
        "service_delete",
        call.service(),
        event,
    );
    Reply::message("deleted")
}

/// `PATCH …/service/{service}/service_type`
pub(super) fn change_type(call: &Call<'_>) -> Outcome {
    let wanted = required(&call.object()?, "service_type", 64)?;
    let mut world = call.world();
    let service = world.service(call.project(), call.service())?;
    if service.service_type != ServiceType::Redis || wanted != ServiceType::Valkey.name() {
        let message =
            format!("Service type cannot be changed from {} to {wanted}", service.service_type.name());
        return Err(ApiError::bad_request(message).code("service_type_not_allowed"));
    }
    if service.is_powered_off() {
        return Err(ApiError::conflict("Database not powered on").code("not_powered"));
    }
    if service.pending_updates.iter().any(|update| update.get("deadline").is_some()) {
        let message = "Mandatory maintenance must be applied before the service type can be changed";
        return Err(ApiError::conflict(message).code("service_maintenance_required"));
    }
    let timing = world.timing;
    world.edit(call.project(), call.service(), |service| {
        service.become_valkey();
        service.update_time = call.now;
        service.build(Cause::Change, call.now, &timing);
    })?;
    call.named_service_reply(world, call.project(), call.service())
}

/// `PUT …/service/{service}/maintenance/start`
pub(super) fn maintain(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    let service = world.service(call.project(), call.service())?;
    if service.pending_updates.is_empty() {
        return Reply::message("Service is already up to date, no maintenance to start");
    }
    if service.is_powered_off() {
        return Err(ApiError::conflict("Database not powered on").code("not_powered"));
    }
    let timing = world.timing;
    world.edit(call.project(), call.service(), |service| {
        service.pending_updates.clear();
        service.build(Cause::Change, call.now, &timing);
    })?;
    Reply::message("Maintenance started")
}

/// `GET …/service/{service}/migration`
pub(super) fn migration(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let service = world.seen_service(call.project(), call.service())?;
    let inactive = || ApiError::not_found("No active migration");
    let settings = service.user_config.get("migration").ok_or_else(inactive)?;
    let since = service.migration_since.ok_or_else(inactive)?;
    let passed = |builds: u32| after(since, world.timing.build_time.saturating_mul(builds)) <= call.now;
    let course = match &service.backing {
        Some(backing) => backing.migration.clone().ok_or_else(inactive)?,
        None => Course::simulated(settings, passed(1)),
    };
    if course.error.is_some() && passed(REMEMBERED) && world.disturbances.forget_failed_migrations() {
        return Err(inactive());
    }
    Reply::json(&render::migration(&course))
}

/// `GET …/service/{service}/alerts`
pub(super) fn alerts(call: &Call<'_>) -> Outcome {
    let world = call.world();
    world.service(call.project(), call.service())?;
    let alerts = &world.project(call.project())?.alerts;
    let own: Vec<&Value> = alerts.iter().filter(|alert| alert["service_name"] == call.service()).collect();
    Reply::json(&json!({ "alerts": own }))
}

/// `GET …/service/{service}/backups`
pub(super) fn backups(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let service = world.seen_service(call.project(), call.service())?;
    let setting = |key: &str| service.user_config.get(key).cloned().unwrap_or(Value::Null);
    Reply::json(&json!({
        "backups": service.backups.iter().map(render::backup).collect::<Vec<_>>(),
        "scheduled_backup_time": {
            "backup_hour": setting("backup_hour"), "backup_minute": setting("backup_minute"),
            "backup_interval_hours": if setting("backup_hour").is_null() { 12 } else { 24 },
        },
    }))
}

/// `GET …/service/{service}/tags`
pub(super) fn tags(call: &Call<'_>) -> Outcome {
    Reply::json(&json!({ "tags": call.world().seen_service(call.project(), call.service())?.tags }))
}

/// `PUT …/service/{service}/tags`
pub(super) fn replace_tags(call: &Call<'_>) -> Outcome {
    let tags = parse_tags(&sent_tags(call)?)?;
    call.world().edit(call.project(), call.service(), |service| service.tags = tags)?;
    Reply::message("tags updated")
}

/// `PATCH …/service/{service}/tags`
pub(super) fn merge_tags(call: &Call<'_>) -> Outcome {
    let changes = parse_tag_changes(&sent_tags(call)?)?;
    call.world().edit(call.project(), call.service(), |service| changes.apply(&mut service.tags))?;
    Reply::message("tags updated")
}
