//! Integrations between services and with endpoints. Guarantees that each is listed on both of its
//! services and that a read replica is accepted only where its source allows one.

use super::body::{nullable_text, object, required};
use crate::provider::call::Call;
use crate::provider::outcome::{ApiError, Outcome, Reply};
use crate::provider::render;
use crate::provider::schema::Object;
use crate::provider::service::{Integration, Service, Side};
use crate::provider::world::World;
use serde_json::{Value, json};
use std::sync::Arc;

/// The refusal on plans without integrations.
const UNAVAILABLE: &str = "Service integrations are not available for this service";

/// Replicas one service can have.
const MOST_REPLICAS: usize = 5;

/// `GET …/service/{service}/integration`
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let service = world.seen_service(call.project(), call.service())?;
    let integrations: Vec<Value> =
        service.integrations.iter().map(|each| render::integration(each)).collect();
    Reply::json(&json!({ "service_integrations": integrations }))
}

/// `POST …/integration`
pub(super) fn create(call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let mut world = call.world();
    if required(&body, "integration_type", 64)? == "read_replica" {
        return Err(ApiError::bad_request("Read replicas can only be set up when the service is created"));
    }
    let integration = Arc::new(resolve(&world, call.project(), &body, None)?);
    for (project, name) in services(&integration) {
        let service = world.service(project, name)?;
        if !service.plan.has_integrations() {
            return Err(ApiError::forbidden(UNAVAILABLE));
        }
        if service.lag.missing_posts > 0 {
            world.edit(project, name, |service| service.lag.missing_posts -= 1)?;
            return Err(world.missing_service(name));
        }
    }
    store(&mut world, &integration);
    Reply::json(&json!({ "service_integration": render::integration(&integration) }))
}

/// `GET …/integration/{id}`
pub(super) fn get(call: &Call<'_>) -> Outcome {
    Reply::json(&json!({ "service_integration": render::integration(&*find(call, &call.world())?) }))
}

/// `DELETE …/integration/{id}`: for a read replica, its promotion.
pub(super) fn delete(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    find(call, &world)?;
    world.remove_integration(call.parameter(1));
    Reply::message("deleted")
}

fn find(call: &Call<'_>, world: &World) -> Result<Arc<Integration>, ApiError> {
    let known = world.project(call.project())?.integrations.get(call.parameter(1)).cloned();
    known.ok_or_else(|| {
        ApiError::not_found("Service integration not found").code("service_integration_not_found")
    })
}

/// The services an integration is listed on.
fn services(integration: &Integration) -> impl Iterator<Item = (&str, &str)> {
    let sides = [&integration.source, &integration.destination].into_iter();
    sides.filter_map(|side| Some((side.project.as_str(), side.service.as_deref()?)))
}

/// Integrations of a service that is about to exist.
pub(super) fn at_creation(
    world: &World,
    service: &Service,
    bodies: &[Object],
) -> Result<Vec<Arc<Integration>>, ApiError> {
    let mut integrations = Vec::new();
    for body in bodies {
        let mut body = body.clone();
        let is_source = body.get("source_service").is_some_and(|name| *name == service.name);
        if !is_source && !names(&body, "dest_service") && !names(&body, "dest_endpoint_id") {
            body.insert("dest_service".to_owned(), service.name.as_str().into());
        }
        let integration = resolve(world, &service.project, &body, Some(service))?;
        if !service.plan.has_integrations() {
            return Err(ApiError::forbidden(UNAVAILABLE));
        }
        if integration.kind == "read_replica" {
            check_replica(world, service, &integration)?;
        }
        integrations.push(Arc::new(integration));
    }
    Ok(integrations)
}

fn check_replica(world: &World, replica: &Service, integration: &Integration) -> Result<(), ApiError> {
    let not_allowed = || ApiError::forbidden("Creation of a read replica not allowed under current plan");
    let name = integration.source.service.as_deref().unwrap_or_default();
    let source = world.service(&integration.source.project, name)?;
    if source.service_type != replica.service_type {
        return Err(ApiError::bad_request("A read replica must be of the same service type as its source"));
    }
    let plans_allow = source.plan.is_startup() && replica.plan.is_startup();
    if world.unknowns.replicas_need_startup_plan && !plans_allow || source.replicas() >= MOST_REPLICAS {
        return Err(not_allowed());
    }
    if !source.is_operational() {
        return Err(not_allowed());
    }
    if source.backups.is_empty() {
        return Err(ApiError::forbidden("No valid backups for service"));
    }
    Ok(())
}

/// Converts a request to an integration; `newcomer` counts as existing.
fn resolve(
    world: &World,
    project: &str,
    body: &Object,
    newcomer: Option<&Service>,
) -> Result<Integration, ApiError> {
    let kind = required(body, "integration_type", 64)?;
    let side = |prefix: &str| -> Result<Side, ApiError> {
        let project =
            nullable_text(body, &format!("{prefix}_project"), 63)?.unwrap_or_else(|| project.to_owned());
        let service = nullable_text(body, &format!("{prefix}_service"), 64)?;
        let endpoint = nullable_text(body, &format!("{prefix}_endpoint_id"), 36)?;
        let kind = match (&service, &endpoint) {
            (Some(name), None) if newcomer.is_some_and(|new| new.name == *name && new.project == project) => {
                newcomer.map_or("", |new| new.service_type.name()).to_owned()
            }
            (Some(name), None) => world.service(&project, name)?.service_type.name().to_owned(),
            (None, Some(_)) => kind.clone(),
            _ => {
                let message = format!("Exactly one of {prefix}_service and {prefix}_endpoint_id is required");
                return Err(ApiError::bad_request(message));
            }
        };
        Ok(Side { project, service, endpoint, kind })
    };
    Ok(Integration {
        id: uuid::Uuid::new_v4().to_string(),
        source: side("source")?,
        destination: if kind == "autoscaler" {
            autoscaler_side(body, project, &side)?
        } else {
            side("dest")?
        },
        user_config: object(body, "user_config")?.map_or_else(|| json!({}), |config| config.clone().into()),
        kind,
    })
}

/// Whether the body has a value for `key`.
fn names(body: &Object, key: &str) -> bool {
    body.get(key).is_some_and(|value| !value.is_null())
}

/// An autoscaler is an endpoint of the platform and may be left out of the request.
fn autoscaler_side(
    body: &Object,
    project: &str,
    side: &dyn Fn(&str) -> Result<Side, ApiError>,
) -> Result<Side, ApiError> {
    if names(body, "dest_service") || names(body, "dest_endpoint_id") {
        return side("dest");
    }
    let kind = "autoscaler".to_owned();
    Ok(Side { project: project.to_owned(), service: None, endpoint: None, kind })
}

/// Lists an integration in its project and on its services.
pub(in crate::provider) fn store(world: &mut World, integration: &Arc<Integration>) {
    if let Ok(project) = world.project_mut(&integration.source.project) {
        project.integrations.insert(integration.id.clone(), Arc::clone(integration));
    }
    for (project, name) in services(integration) {
        // An endpoint's project need not exist here.
        let _ = world.edit(project, name, |service| service.integrations.push(Arc::clone(integration)));
    }
}
