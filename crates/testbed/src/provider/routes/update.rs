//! Changing a service: the refusals of the provider, and the changes that replace nodes, move data or take effect
//! immediately. A refused request changes nothing, and keys that are not sent stay unchanged.

mod config;

use super::body::{Fields, Network, UPDATE_KEYS};
use crate::provider::call::Call;
use crate::provider::catalogue::{Cloud, Plan, ServiceType};
use crate::provider::clock::after;
use crate::provider::lifecycle::{Cause, Lifecycle, Timing};
use crate::provider::options::{PowerOffWithoutBackup, PoweredOffUpdates};
use crate::provider::outcome::{ApiError, Outcome};
use crate::provider::project::VpcState;
use crate::provider::schema::Object;
use crate::provider::service::Service;
use crate::provider::world::World;
use std::sync::Arc;

/// The refusal to delete or stop a protected service.
pub(super) const PROTECTED: &str =
    "Service is protected against termination and shutdown. Remove termination protection first.";

/// What a change does to the nodes of a running service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Impact {
    None,
    Rebalance,
    Rebuild,
}

/// A request that was found to be acceptable.
struct Change {
    plan: Arc<Plan>,
    cloud: Arc<Cloud>,
    vpc: Option<String>,
    disk_mb: u64,
    user_config: Object,
    starts_migration: bool,
    changes_migration: bool,
    impact: Impact,
}

/// `PUT /v1/project/{project}/service/{service}`
pub(super) fn update(call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let mut world = call.world();
    let fields = Fields::read(&body, UPDATE_KEYS, &world)?;
    let service = Arc::clone(world.service(call.project(), call.service())?);
    if fields.powered == Some(false) {
        check_power_off(call, &world, &service, &fields)?;
    }
    let change = plan_change(call, &world, &service, &fields)?;
    check_powered_off_update(&world, &service, &fields, &change)?;
    if let Some(left) = service.vpc.as_ref().filter(|left| change.vpc.as_ref() != Some(left)) {
        world.leave_vpc(call.project(), left, call.now);
    }
    let timing = world.timing;
    let running_reads = world.unknowns.running_reads_after_rebuild;
    world.edit(call.project(), call.service(), |service| {
        apply(service, &fields, change, call, running_reads, &timing);
    })?;
    let event = format!("Updated service '{}'", call.service());
    world.project_mut(call.project())?.record(
        call.now,
        call.actor(),
        "service_update",
        call.service(),
        event,
    );
    call.named_service_reply(world, call.project(), call.service())
}

fn apply(
    service: &mut Service,
    fields: &Fields,
    change: Change,
    call: &Call<'_>,
    running_reads: u32,
    timing: &Timing,
) {
    service.plan = change.plan;
    service.cloud = change.cloud;
    service.vpc = change.vpc;
    service.disk_mb = change.disk_mb;
    service.user_config = change.user_config;
    service.maintenance = fields.maintenance(&service.maintenance);
    service.termination_protection = fields.termination_protection.unwrap_or(service.termination_protection);
    service.tech_emails =
        fields.tech_emails.clone().unwrap_or_else(|| std::mem::take(&mut service.tech_emails));
    service.update_time = call.now;
    if change.starts_migration {
        service.migration_since = Some(call.now);
    }
    if let Some(backing) = service.backing.as_mut().filter(|_| change.changes_migration) {
        backing.migration = None;
    }
    if !service.persists() {
        service.backups.clear();
        service.next_backup = None;
    } else if service.ever_ran && service.next_backup.is_none() {
        service.next_backup = Some(after(call.now, timing.backup_after));
    }
    match (service.lifecycle, fields.powered) {
        (Lifecycle::PoweredOff { .. }, Some(true)) => service.build(Cause::PowerOn, call.now, timing),
        (Lifecycle::PoweringOff { .. }, Some(true)) => {
            service.lifecycle = Lifecycle::Running { since: call.now }
        }
        (Lifecycle::PoweredOff { .. } | Lifecycle::PoweringOff { .. }, _) => {}
        (_, Some(false)) => service.power_off(call.now, timing),
        (_, _) => match change.impact {
            Impact::None => {}
            Impact::Rebalance => {
                service.lifecycle = Lifecycle::Rebalancing { until: after(call.now, timing.build_time) };
            }
            Impact::Rebuild => {
                service.build(Cause::Change, call.now, timing);
                service.lag.running_reads = running_reads;
            }
        },
    }
}

fn check_power_off(
    call: &Call<'_>,
    world: &World,
    service: &Service,
    fields: &Fields,
) -> Result<(), ApiError> {
    if matches!(service.lifecycle, Lifecycle::PoweredOff { .. } | Lifecycle::PoweringOff { .. }) {
        return Ok(());
    }
    if fields.termination_protection.unwrap_or(service.termination_protection) {
        return Err(ApiError::new(world.unknowns.protected_power_off_status, PROTECTED));
    }
    if !service.takes_backups() || !service.backups.is_empty() {
        return Ok(());
    }
    let message = "Service has no backup yet and would lose its data when powered off";
    match world.unknowns.power_off_without_backup {
        PowerOffWithoutBackup::Accepted if call.query.allow_unclean_poweroff != Some(false) => Ok(()),
        PowerOffWithoutBackup::Accepted => Err(ApiError::bad_request(message)),
        PowerOffWithoutBackup::Rejected { status } => Err(ApiError::new(status, message)),
    }
}

fn check_powered_off_update(
    world: &World,
    service: &Service,
    fields: &Fields,
    change: &Change,
) -> Result<(), ApiError> {
    let PoweredOffUpdates::Rejected { status } = world.unknowns.powered_off_updates else { return Ok(()) };
    let changed = change.impact != Impact::None
        || change.disk_mb != service.disk_mb
        || change.user_config != service.user_config;
    if service.is_powered_off() && fields.powered != Some(true) && changed {
        return Err(ApiError::new(status, "Database not powered on").code("not_powered"));
    }
    Ok(())
}

fn plan_change(
    call: &Call<'_>,
    world: &World,
    service: &Service,
    fields: &Fields,
) -> Result<Change, ApiError> {
    let plan = plan(world, service.service_type, fields.plan.as_deref().unwrap_or(&service.plan.name))?;
    let cloud = cloud(world, fields.cloud.as_deref().unwrap_or(&service.cloud.name))?;
    let vpc = match &fields.network {
        Network::Unspecified => service.vpc.clone(),
        Network::Public => None,
        Network::Vpc(id) => Some(id.clone()),
    };
    if let Some(id) = &vpc
        && (vpc != service.vpc || cloud.name != service.cloud.name)
    {
        check_vpc(world, call.project(), id, &cloud.name)?;
    }
    if plan.is_free() && vpc.is_some() {
        return Err(ApiError::forbidden("VPCs are not available on free plans").code("free_tier_restricted"));
    }
    if service.data_mb > plan.memory_mb {
        return Err(ApiError::bad_request(format!(
            "Plan '{}' is too small for the data of the service",
            plan.name
        )));
    }
    let disk_mb = disk(world, service, &plan, fields.disk_mb)?;
    let config = config::merge(service, &fields.user_config, world.unknowns.create_only_on_update)?;
    let replaced = plan.name != service.plan.name || cloud.name != service.cloud.name || vpc != service.vpc;
    let impact = if replaced || config.rebuilds {
        Impact::Rebuild
    } else if disk_mb < service.disk_mb {
        Impact::Rebalance
    } else {
        Impact::None
    };
    Ok(Change {
        plan,
        cloud,
        vpc,
        disk_mb,
        user_config: config.merged,
        starts_migration: config.starts_migration,
        changes_migration: config.changes_migration,
        impact,
    })
}

/// Disk after the change: the requested one, else that of the old plan if the new one allows it.
fn disk(world: &World, service: &Service, plan: &Plan, asked: Option<u64>) -> Result<u64, ApiError> {
    if let Some(asked) = asked {
        let building =
            matches!(service.lifecycle, Lifecycle::Building { .. } | Lifecycle::Rebalancing { .. });
        if asked != service.disk_mb && building {
            let status = world.disturbances.disk_refusal_status();
            return Err(ApiError::new(
                status,
                "Disk space cannot be changed while the service is being rebuilt",
            ));
        }
        check_disk(plan, asked)?;
        return Ok(asked);
    }
    let followed_plan = service.disk_mb == service.plan.disk_mb;
    if plan.name == service.plan.name || (!followed_plan && check_disk(plan, service.disk_mb).is_ok()) {
        return Ok(service.disk_mb);
    }
    if followed_plan || service.disk_mb < plan.disk_mb {
        return Ok(plan.disk_mb);
    }
    Err(ApiError::bad_request(format!("Plan '{}' does not allow {} MB of disk", plan.name, service.disk_mb)))
}

/// The plan of that name.
pub(super) fn plan(world: &World, service_type: ServiceType, name: &str) -> Result<Arc<Plan>, ApiError> {
    let invalid =
        || ApiError::bad_request(format!("Invalid plan '{name}' for service type '{}'", service_type.name()));
    world.plan(name).cloned().ok_or_else(invalid)
}

/// The cloud of that name.
pub(super) fn cloud(world: &World, name: &str) -> Result<Arc<Cloud>, ApiError> {
    world.cloud(name).cloned().ok_or_else(|| ApiError::bad_request(format!("Invalid cloud '{name}'")))
}

/// Whether the plan can have that much disk.
pub(super) fn check_disk(plan: &Plan, disk_mb: u64) -> Result<(), ApiError> {
    if disk_mb == plan.disk_mb {
        return Ok(());
    }
    let refuse =
        |reason: String| Err(ApiError::bad_request(format!("Invalid input for disk_space_mb: {reason}")));
    let (Some(step), Some(cap)) = (plan.disk_step_mb, plan.disk_cap_mb) else {
        return refuse(format!("plan '{}' has a fixed disk size", plan.name));
    };
    if disk_mb < plan.disk_mb || disk_mb > cap {
        return refuse(format!("{disk_mb} is not between {} and {cap}", plan.disk_mb));
    }
    if !(disk_mb - plan.disk_mb).is_multiple_of(step) {
        return refuse(format!("{disk_mb} is not {} plus a multiple of {step}", plan.disk_mb));
    }
    Ok(())
}

/// Whether a service in `cloud` can be in the VPC.
pub(super) fn check_vpc(world: &World, project: &str, id: &str, cloud: &str) -> Result<(), ApiError> {
    let vpc = world.project(project)?.vpcs.get(id);
    let vpc = vpc.ok_or_else(|| ApiError::not_found(format!("Project VPC {id} does not exist")))?;
    if vpc.state != VpcState::Active {
        let message = format!("Project VPC {id} is in state {}, not ACTIVE", vpc.state.name());
        return Err(ApiError::conflict(message));
    }
    if vpc.cloud != cloud {
        return Err(ApiError::bad_request(format!(
            "Project VPC {id} is in cloud {}, not {cloud}",
            vpc.cloud
        )));
    }
    Ok(())
}
