//! Private networks of a project. Guarantees that one with services in it, or with services that
//! left a moment ago, is not deleted.

use super::body::required;
use crate::provider::call::Call;
use crate::provider::clock::after;
use crate::provider::outcome::{ApiError, Outcome, Reply};
use crate::provider::project::{Vpc, VpcState};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

/// `GET …/vpcs`
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let vpcs: Vec<Value> = world.seen_vpcs(call.project())?.iter().map(Vpc::listing).collect();
    Reply::json(&json!({ "vpcs": vpcs }))
}

/// `POST …/vpcs`
pub(super) fn create(call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let cloud = required(&body, "cloud_name", 256)?;
    let cidr = required(&body, "network_cidr", 18)?;
    let network = network(&cidr)?;
    let mut world = call.world();
    super::update::cloud(&world, &cloud)?;
    if let Some(other) = world.project(call.project())?.overlapping_vpc(&cloud, network) {
        let message = format!("Network {cidr} overlaps with network {} of VPC {}", other.cidr, other.id);
        return Err(ApiError::new(world.unknowns.vpc_overlap_status, message));
    }
    let vpc = Vpc {
        id: uuid::Uuid::new_v4().to_string(),
        cloud,
        cidr,
        state: VpcState::Approved,
        create_time: call.now,
        update_time: call.now,
        changes_at: Some(after(call.now, world.timing.vpc_time)),
        in_use_until: None,
    };
    let listing = vpc.listing();
    world.put_vpc(call.project(), vpc);
    let event = "Created project VPC".to_owned();
    world.project_mut(call.project())?.record(call.now, call.actor(), "project_vpc_create", "", event);
    Reply::json(&listing)
}

/// A private network of the size that a VPC has, without host bits.
fn network(cidr: &str) -> Result<Ipv4Net, ApiError> {
    let refuse = |reason: &str| ApiError::bad_request(format!("Invalid input for network_cidr: {reason}"));
    let network: Ipv4Net = cidr.parse().map_err(|_| refuse("not an IPv4 network"))?;
    if network.trunc() != network {
        return Err(refuse("has host bits set"));
    }
    if !network.network().is_private() {
        return Err(refuse("must be a private network"));
    }
    if !(20..=24).contains(&network.prefix_len()) {
        return Err(refuse("prefix must be between /20 and /24"));
    }
    Ok(network)
}

/// `GET …/vpcs/{vpc}`
pub(super) fn get(call: &Call<'_>) -> Outcome {
    let id = call.parameter(1);
    let seen = call.world().seen_vpc(call.project(), id)?;
    Reply::json(&seen.ok_or_else(|| missing(id))?.listing())
}

/// `DELETE …/vpcs/{vpc}`
pub(super) fn delete(call: &Call<'_>) -> Outcome {
    let mut vpc = find(call)?;
    let mut world = call.world();
    if world.project(call.project())?.vpc_in_use(&vpc.id, call.now) {
        let message = if vpc.in_use_until.is_some_and(|until| until > call.now) {
            "VPC cannot be deleted while there are services migrating from it"
        } else {
            "VPC cannot be deleted while there are services in it"
        };
        return Err(ApiError::new(world.unknowns.vpc_delete_refusal_status, message));
    }
    if vpc.state != VpcState::Deleting {
        vpc.state = VpcState::Deleting;
        vpc.update_time = call.now;
        vpc.changes_at = Some(after(call.now, world.timing.vpc_time));
        world.put_vpc(call.project(), vpc.clone());
    }
    Reply::json(&vpc.listing())
}

fn find(call: &Call<'_>) -> Result<Vpc, ApiError> {
    let id = call.parameter(1);
    let world = call.world();
    let vpc = world.project(call.project())?.vpcs.get(id).cloned();
    vpc.ok_or_else(|| missing(id))
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Project VPC {id} does not exist"))
}
