//! Creating a service: the checks of the provider, and the initial state of a new service. A refused request leaves
//! nothing behind.

use super::body::{CREATE_KEYS, Fields, Network, required};
use super::{integrations, update};
use crate::provider::backing::Backing;
use crate::provider::call::Call;
use crate::provider::catalogue::ServiceType;
use crate::provider::lifecycle::{Cause, Lifecycle};
use crate::provider::outcome::{ApiError, Outcome};
use crate::provider::render::Rendered;
use crate::provider::schema::{Object, Schema};
use crate::provider::service::{Backup, Connection, Lag, MaintenanceWindow, Service, WEEKDAYS, stable_hash};
use crate::provider::world::World;
use crate::servers::Seed;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `POST /v1/project/{project}/service`
pub(super) fn create(call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let mut world = call.world();
    let fields = Fields::read(&body, CREATE_KEYS, &world)?;
    let name = service_name(&body)?;
    let service_type = service_type(&body, &world)?;
    let mut service = draft(call, &world, &name, service_type, &fields)?;
    if world.find(call.project(), &name).is_some() {
        return Err(ApiError::conflict("Service name is already in use in this project"));
    }
    check_free_tier(&world, &service, &fields)?;
    let seed = check_fork(&world, &mut service, &fields)?;
    if world.servers.is_some() && service_type != ServiceType::Postgres {
        Backing::attach(&mut service, seed);
    }
    let links = integrations::at_creation(&world, &service, &fields.integrations)?;
    service.tags.extend(fields.tags.clone());
    service.build(Cause::Create, call.now, &world.timing);
    world.insert(service);
    for link in links {
        integrations::store(&mut world, &link);
    }
    let event = format!("Created {} service '{name}'", service_type.name());
    world.project_mut(call.project())?.record(call.now, call.actor(), "service_create", &name, event);
    call.named_service_reply(world, call.project(), &name)
}

fn service_name(body: &Object) -> Result<String, ApiError> {
    let name = required(body, "service_name", 64)?;
    let well_formed = name.len() >= 2
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-');
    if well_formed { Ok(name) } else { Err(ApiError::bad_request(format!("Invalid service name '{name}'"))) }
}

fn service_type(body: &Object, world: &World) -> Result<ServiceType, ApiError> {
    let name = required(body, "service_type", 64)?;
    let service_type = ServiceType::parse(&name).ok_or_else(|| {
        ApiError::bad_request(format!("Invalid service type '{name}'")).code("invalid_service_type")
    })?;
    if service_type == ServiceType::Redis && !world.redis_creation_allowed {
        let message = "Creation of Redis services is not allowed, use Valkey";
        return Err(ApiError::bad_request(message).code("service_type_not_allowed"));
    }
    Ok(service_type)
}

/// The requested service, before anything about other services is checked.
fn draft(
    call: &Call<'_>,
    world: &World,
    name: &str,
    service_type: ServiceType,
    fields: &Fields,
) -> Result<Service, ApiError> {
    let plan_name = fields.plan.as_deref();
    let plan_name =
        plan_name.ok_or_else(|| ApiError::bad_request("Invalid input: 'plan' is a required property"))?;
    let plan = update::plan(world, service_type, plan_name)?;
    let cloud = update::cloud(world, fields.cloud.as_deref().unwrap_or(&world.default_cloud))?;
    let disk_mb = fields.disk_mb.unwrap_or(plan.disk_mb);
    update::check_disk(&plan, disk_mb)?;
    let schema = Schema::of(service_type);
    schema.check(&fields.user_config)?;
    let vpc = place(call, world, &cloud.name, plan.is_free(), fields)?;
    let window = MaintenanceWindow {
        day: WEEKDAYS[(stable_hash(&name) % 7) as usize].to_owned(),
        time: "11:00:00".to_owned(),
    };
    Ok(Service {
        project: call.project().to_owned(),
        name: name.to_owned(),
        service_type,
        plan,
        cloud,
        vpc,
        disk_mb,
        maintenance: fields.maintenance(&window),
        pending_updates: Vec::new(),
        termination_protection: fields.termination_protection.unwrap_or_default(),
        tech_emails: fields.tech_emails.clone().unwrap_or_default(),
        tags: BTreeMap::new(),
        user_config: initial_config(schema, &fields.user_config),
        create_time: call.now,
        update_time: call.now,
        integrations: Vec::new(),
        backups: Vec::new(),
        next_backup: None,
        lifecycle: Lifecycle::Running { since: call.now },
        ever_ran: false,
        first_node: 1,
        data_mb: 64,
        migration_since: fields
            .user_config
            .get("migration")
            .filter(|value| !value.is_null())
            .map(|_| call.now),
        removal_announced: false,
        connection: Connection::new(call.project(), name, service_type, call.now),
        lag: Lag {
            running_reads: 0,
            missing_reads: world.unknowns.missing_reads_after_create,
            missing_posts: world.unknowns.missing_posts_after_create,
        },
        backing: None,
        rendered: Rendered::default(),
    })
}

/// Defaults with what was declared on top; `null` stands for the default.
fn initial_config(schema: &Schema, declared: &Object) -> Object {
    let mut config = schema.defaults();
    let set = declared.iter().filter(|(_, value)| !value.is_null());
    config.extend(set.map(|(key, value)| (key.clone(), value.clone())));
    schema.complete(&mut config);
    config
}

/// The VPC of a new service: the requested one, or the cloud's own VPC when the request has none.
fn place(
    call: &Call<'_>,
    world: &World,
    cloud: &str,
    free: bool,
    fields: &Fields,
) -> Result<Option<String>, ApiError> {
    match &fields.network {
        Network::Public => Ok(None),
        Network::Unspecified if free => Ok(None),
        Network::Unspecified => {
            Ok(world.project(call.project())?.active_vpc_in(cloud).map(|vpc| vpc.id.clone()))
        }
        Network::Vpc(id) => {
            update::check_vpc(world, call.project(), id, cloud)?;
            Ok(Some(id.clone()))
        }
    }
}

fn restricted(message: &str) -> ApiError {
    ApiError::forbidden(message).code("free_tier_restricted")
}

fn check_free_tier(world: &World, service: &Service, fields: &Fields) -> Result<(), ApiError> {
    if !service.plan.is_free() {
        return Ok(());
    }
    let fork = service.user_config.contains_key("service_to_fork_from");
    if service.vpc.is_some() || fields.static_ips || !fields.integrations.is_empty() || fork {
        return Err(restricted("VPCs, static IPs, integrations and forks are not available on free plans"));
    }
    let mut others = world.projects.values().flat_map(|project| project.services.values());
    if others.any(|other| other.plan.is_free() && other.service_type == service.service_type) {
        return Err(restricted("Only one free service of each type is allowed"));
    }
    Ok(())
}

/// What a fork needs from its source, and what it takes over.
fn check_fork(world: &World, service: &mut Service, fields: &Fields) -> Result<Option<Seed>, ApiError> {
    let setting =
        |key: &str| service.user_config.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(source_name) = setting("service_to_fork_from") else { return Ok(None) };
    let project = setting("project_to_fork_from").unwrap_or(&service.project);
    let source = Arc::clone(world.service(project, source_name)?);
    if source.service_type != service.service_type {
        return Err(ApiError::bad_request("A fork must be of the same service type as its source"));
    }
    if source.backups.is_empty() || !source.persists() {
        return Err(ApiError::forbidden("No valid backups for service"));
    }
    let latest = source.backups.last().map(Backup::name).unwrap_or_default();
    let backup = setting("recovery_basebackup_name").unwrap_or(&latest);
    if !source.backups.iter().any(|known| known.name() == backup) {
        return Err(ApiError::bad_request(format!("Backup '{backup}' does not exist")));
    }
    if source.data_mb > service.plan.memory_mb {
        return Err(ApiError::bad_request("The plan is too small for the data of the source"));
    }
    let seed = Seed { source: source.identity(), snapshot: backup.to_owned() };
    service.data_mb = source.data_mb;
    if fields.copy_tags {
        service.tags.clone_from(&source.tags);
    }
    Ok(Some(seed))
}
