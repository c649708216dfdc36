//! Project VPCs: life cycle, placement of services, and the refusal to delete a VPC in use.

use serde_json::{Map, Value, json};

use crate::call::Context;
use crate::catalog;
use crate::clock::{Countdown, Instant, seconds};
use crate::config::Config;
use crate::network::private_block;
use crate::reply::{Fail, Outcome};
use crate::world::{Project, World};

/// `state` of a VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpcState {
    /// Accepted, but not usable yet.
    Approved,
    /// Usable.
    Active,
    /// Deletion is in progress.
    Deleting,
    /// Deleted. The list still contains the VPC for one read.
    Deleted,
}

impl VpcState {
    fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::Active => "ACTIVE",
            Self::Deleting => "DELETING",
            Self::Deleted => "DELETED",
        }
    }
}

/// A project VPC.
#[derive(Clone, Debug)]
pub(crate) struct Vpc {
    pub(crate) id: String,
    pub(crate) cloud: String,
    cidr: String,
    pub(crate) state: VpcState,
    wait: Countdown,
    created: Instant,
    updated: Instant,
    gone: bool,
}

impl Vpc {
    pub(crate) fn new(cloud: &str, cidr: &str, state: VpcState, now: Instant, config: &Config) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            cloud: cloud.to_owned(),
            cidr: cidr.to_owned(),
            state,
            wait: Countdown::new(config.vpc, now),
            created: now,
            updated: now,
            gone: false,
        }
    }

    fn tick(&mut self, now: Instant, read: bool) {
        let next = match self.state {
            VpcState::Approved => VpcState::Active,
            VpcState::Deleting => VpcState::Deleted,
            VpcState::Active => return,
            VpcState::Deleted => {
                self.gone |= read;
                return;
            }
        };
        if self.wait.observe(now, read) {
            self.state = next;
            self.gone = read && next == VpcState::Deleted;
            self.updated = now;
        }
    }

    pub(crate) fn finish(&mut self, now: Instant) {
        self.wait.finish();
        self.tick(now, false);
    }

    fn body(&self) -> Value {
        json!({"cloud_name": self.cloud, "create_time": seconds(self.created), "network_cidr": self.cidr,
            "project_vpc_id": self.id, "state": self.state.name(), "update_time": seconds(self.updated)})
    }
}

fn missing(id: &str) -> Fail {
    Fail::new(404, format!("Project VPC {id} does not exist"))
}

fn tick_all(project: &mut Project, now: Instant, read: bool) {
    project.vpcs.retain(|vpc| !vpc.gone);
    project.vpcs.iter_mut().for_each(|vpc| vpc.tick(now, read));
}

/// GET `/project/{p}/vpcs`.
pub(crate) fn list(world: &mut World, context: &Context<'_>) -> Outcome {
    context.require(&["project:networking:read"])?;
    let now = world.now();
    let project = world.project_mut(context.project)?;
    tick_all(project, now, true);
    Ok(json!({"vpcs": project.vpcs.iter().map(Vpc::body).collect::<Vec<_>>()}))
}

/// GET `/project/{p}/vpcs/{id}`.
pub(crate) fn get(world: &mut World, context: &Context<'_>, id: &str) -> Outcome {
    context.require(&["project:networking:read"])?;
    let now = world.now();
    let project = world.project_mut(context.project)?;
    project.vpcs.retain(|vpc| !vpc.gone);
    let vpc = project.vpcs.iter_mut().find(|vpc| vpc.id == id).ok_or_else(|| missing(id))?;
    vpc.tick(now, true);
    Ok(vpc.body())
}

/// POST `/project/{p}/vpcs`.
pub(crate) fn create(world: &mut World, context: &Context<'_>) -> Outcome {
    context.require(&["project:networking:write"])?;
    let body = context.call.object()?;
    let text = |key: &str| {
        let missing =
            || Fail::bad_request(format!("Invalid input for request: '{key}' is a required property"));
        body.get(key).and_then(Value::as_str).ok_or_else(missing)
    };
    let (cloud, cidr) = (text("cloud_name")?, text("network_cidr")?);
    if !body.get("peering_connections").is_some_and(Value::is_array) {
        // The reference lists the key; whether it is required is open.
        return Err(Fail::bad_request(
            "Invalid input for request: 'peering_connections' is a required property",
        ));
    }
    catalog::check_cloud(cloud)?;
    if !private_block(cidr, 20..=24) {
        return Err(Fail::bad_request(format!("Invalid network_cidr '{cidr}'")));
    }
    let vpc = Vpc::new(cloud, cidr, VpcState::Approved, world.now(), &world.config);
    let answer = vpc.body();
    world.project_mut(context.project)?.vpcs.push(vpc);
    world.event(context.project, "project_vpc_create", "");
    Ok(answer)
}

/// DELETE `/project/{p}/vpcs/{id}`.
pub(crate) fn delete(world: &mut World, context: &Context<'_>, id: &str) -> Outcome {
    context.require(&["project:networking:write"])?;
    let (now, config) = (world.now(), world.config.clone());
    let project = world.project_mut(context.project)?;
    tick_all(project, now, false);
    project.leaving.retain_mut(|(_, wait)| !wait.observe(now, true));
    let inside = project.services.values().any(|service| service.vpc.as_deref() == Some(id))
        || project.leaving.iter().any(|(vpc, _)| vpc == id);
    if inside {
        return Err(Fail::new(409, "VPC cannot be deleted while there are services in it"));
    }
    if project.services.values().any(|service| service.leaving_vpc.as_deref() == Some(id)) {
        return Err(Fail::new(409, "VPC cannot be deleted while there are services migrating from it"));
    }
    let vpc = project.vpcs.iter_mut().find(|vpc| vpc.id == id).ok_or_else(|| missing(id))?;
    // A second DELETE does not restart the deletion.
    if !matches!(vpc.state, VpcState::Deleting | VpcState::Deleted) {
        vpc.state = VpcState::Deleting;
        vpc.wait = Countdown::new(config.vpc, now);
        vpc.updated = now;
    }
    Ok(vpc.body())
}

/// Decides into which network a service goes.
///
/// An absent key places the service in a VPC of its cloud, if the project has one; null means the
/// public network. The same holds for a change of the cloud.
pub(crate) fn place(
    project: &Project,
    body: &Map<String, Value>,
    cloud: &str,
) -> Result<Option<String>, Fail> {
    let live = |vpc: &&Vpc| !matches!(vpc.state, VpcState::Deleting | VpcState::Deleted);
    let vpc = match body.get("project_vpc_id") {
        Some(Value::String(id)) => {
            let vpc = project.vpcs.iter().find(|vpc| vpc.id == *id).ok_or_else(|| missing(id))?;
            if vpc.cloud != cloud {
                return Err(Fail::bad_request(format!("Project VPC {id} is not in cloud {cloud}")));
            }
            vpc
        }
        Some(_) => return Ok(None),
        None => match project.vpcs.iter().filter(live).find(|vpc| vpc.cloud == cloud) {
            Some(vpc) => vpc,
            None => return Ok(None),
        },
    };
    if vpc.state != VpcState::Active {
        let text = format!("Project VPC {} is in state {}, not ACTIVE", vpc.id, vpc.state.name());
        return Err(Fail::new(409, text));
    }
    Ok(Some(vpc.id.clone()))
}
