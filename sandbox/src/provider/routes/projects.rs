//! The caller and the projects: identity, project facts, events, alerts, certificate authority.
//! Guarantees that a token learns of no project it does not belong to.

use crate::provider::call::Call;
use crate::provider::outcome::{Outcome, Reply};
use crate::provider::world::World;
use serde_json::{Value, json};

/// A certificate without a key: where services are simulated, clients only check that there is one.
const CERTIFICATE: &str = include_str!("../project_ca.pem");

/// `GET /v1/me`
pub(super) fn me(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let projects = visible(call, &world);
    let membership: serde_json::Map<String, Value> =
        projects.iter().map(|project| (project.clone(), "admin".into())).collect();
    Reply::json(&json!({
        "user": {
            "user": format!("{}@sandbox.localhost", call.actor()), "user_id": "u5a4db0c0000", "state": "active",
            "real_name": "Sandbox", "auth": ["password"], "projects": projects,
            "project_membership": membership, "tenant": "aiven",
        },
    }))
}

fn visible(call: &Call<'_>, world: &World) -> Vec<String> {
    let sees = |name: &&String| call.token.as_ref().is_some_and(|token| token.sees(name));
    world.projects.keys().filter(sees).cloned().collect()
}

fn facts(world: &World, name: &str) -> Value {
    json!({
        "account_id": "a5a4db0c0000", "billing_group_id": "00000000-0000-0000-0000-000000000000",
        "billing_group_name": "sandbox", "default_cloud": world.default_cloud, "estimated_balance": "0.00",
        "organization_id": "org5a4db0c0000", "project_name": name, "tags": {}, "tech_emails": [], "features": {},
    })
}

/// `GET /v1/project`
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let projects: Vec<Value> = visible(call, &world).iter().map(|name| facts(&world, name)).collect();
    Reply::json(&json!({ "projects": projects }))
}

/// `GET /v1/project/{project}`
pub(super) fn get(call: &Call<'_>) -> Outcome {
    Reply::json(&json!({ "project": facts(&call.world(), call.project()) }))
}

/// `GET /v1/project/{project}/kms/ca`
pub(super) fn certificate(call: &Call<'_>) -> Outcome {
    let servers = call.world().servers.clone();
    let certificate = servers.as_ref().map_or(CERTIFICATE, |servers| servers.authority());
    Reply::json(&json!({ "certificate": certificate }))
}

/// `GET /v1/project/{project}/events`
pub(super) fn events(call: &Call<'_>) -> Outcome {
    let limit = call.query.limit.unwrap_or(100);
    Reply::json(&json!({ "events": call.world().project(call.project())?.events(limit) }))
}

/// `GET /v1/project/{project}/alerts`
pub(super) fn alerts(call: &Call<'_>) -> Outcome {
    Reply::json(&json!({ "alerts": call.world().project(call.project())?.alerts }))
}
