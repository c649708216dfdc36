//! The caller and the projects: identity, project facts, events, alerts, certificate authority. A token sees no
//! project it does not belong to.

use super::body::{parse_tag_changes, parse_tags, sent_tags};
use crate::provider::call::Call;
use crate::provider::outcome::{Outcome, Reply};
use crate::provider::world::World;
use serde_json::{Value, json};

/// A certificate without a key: where services are simulated, clients only check that there is one.
const CERTIFICATE: &str = include_str!("../project_ca.pem");

/// The account that all projects belong to.
pub(super) const ACCOUNT: &str = "a5a4db0c0000";

const CREATED: &str = "2024-01-01T00:00:00Z";

/// `GET /v1/me`
pub(super) fn me(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let projects = visible(call, &world);
    let membership: serde_json::Map<String, Value> =
        projects.iter().map(|project| (project.clone(), "admin".into())).collect();
    let memberships: serde_json::Map<String, Value> =
        projects.iter().map(|project| (project.clone(), json!(["admin"]))).collect();
    Reply::json(&json!({
        "user": {
            "user": format!("{}@sandbox.localhost", call.actor()), "user_id": "u5a4db0c0000", "state": "active",
            "real_name": "Sandbox", "auth": ["password"], "projects": projects,
            "project_membership": membership, "project_memberships": memberships, "tenant": "aiven",
            "account_memberships": [], "features": {}, "intercom": { "app_id": "sandbox", "hmac": "" },
            "invitations": [], "token_validity_begin": null, "managed_by_scim": false,
            "managing_organization_id": null, "password_update_required": false, "create_time": CREATED,
        },
    }))
}

fn visible(call: &Call<'_>, world: &World) -> Vec<String> {
    let sees = |name: &&String| call.token.as_ref().is_some_and(|token| token.sees(name));
    world.projects.keys().filter(sees).cloned().collect()
}

fn facts(world: &World, name: &str) -> Value {
    let project = world.projects.get(name);
    json!({
        "account_id": ACCOUNT, "account_name": "Sandbox", "address_lines": [], "affiliation_code": null,
        "available_credits": "0.00", "billing_address": "", "billing_currency": "USD", "billing_emails": [],
        "billing_extra_text": null, "billing_group_id": "00000000-0000-0000-0000-000000000000",
        "billing_group_name": "sandbox", "card_info": null, "city": "", "company": null, "country": "",
        "country_code": "", "default_cloud": world.default_cloud, "end_of_life_extension": {},
        "estimated_balance": "0.00", "estimated_balance_local": "0.00", "features": {},
        "organization_id": "org5a4db0c0000", "payment_method": "no_payment_expected", "project_name": name,
        "state": null, "tags": project.map(|project| &project.tags), "tech_emails": [], "tenant_id": "aiven",
        "trial_expiration_time": null, "vat_id": "", "zip_code": "",
    })
}

/// `GET /v1/project/{project}/tags`
pub(super) fn tags(call: &Call<'_>) -> Outcome {
    Reply::json(&json!({ "tags": call.world().project(call.project())?.tags }))
}

/// `PUT /v1/project/{project}/tags`
pub(super) fn replace_tags(call: &Call<'_>) -> Outcome {
    let tags = parse_tags(&sent_tags(call)?)?;
    call.world().project_mut(call.project())?.tags = tags;
    Reply::message("tags updated")
}

/// `PATCH /v1/project/{project}/tags`
pub(super) fn merge_tags(call: &Call<'_>) -> Outcome {
    let changes = parse_tag_changes(&sent_tags(call)?)?;
    changes.apply(&mut call.world().project_mut(call.project())?.tags);
    Reply::message("tags updated")
}

/// `GET /v1/project/{project}/users`
pub(super) fn users(call: &Call<'_>) -> Outcome {
    let user = json!({
        "auth": ["password"], "billing_contact": false, "create_time": CREATED, "member_type": "admin",
        "real_name": "Sandbox", "team_id": null, "team_name": null,
        "user_email": format!("{}@sandbox.localhost", call.actor()),
    });
    Reply::json(&json!({ "users": [user], "invitations": [], "group_users": [] }))
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
