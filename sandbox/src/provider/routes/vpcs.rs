//! Private networks of a project. Guarantees that one with services in it, or with services that
//! left a moment ago, is not deleted.

use super::body::required;
use crate::provider::call::Call;
use crate::provider::clock::after;
use crate::provider::outcome::{ApiError, Outcome, Reply};
use crate::provider::project::{Vpc, VpcState};
use serde_json::{Value, json};

/// `GET …/vpcs`
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let vpcs: Vec<Value> = world.project(call.project())?.vpcs.values().map(Vpc::listing).collect();
    Reply::json(&json!({ "vpcs": vpcs }))
}

/// `POST …/vpcs`
pub(super) fn create(call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let cloud = required(&body, "cloud_name", 256)?;
    let cidr = required(&body, "network_cidr", 36)?;
    let prefix = cidr.split_once('/').and_then(|(_, prefix)| prefix.parse::<u8>().ok());
    if !prefix.is_some_and(|prefix| (20..=24).contains(&prefix)) {
        return Err(ApiError::bad_request(
            "Invalid input for network_cidr: prefix must be between /20 and /24",
        ));
    }
    let mut world = call.world();
    super::update::cloud(&world, &cloud)?;
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

/// `GET …/vpcs/{vpc}`
pub(super) fn get(call: &Call<'_>) -> Outcome {
    Reply::json(&find(call)?.listing())
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
    vpc.ok_or_else(|| ApiError::not_found(format!("Project VPC {id} does not exist")))
}
