//! Dispatch of calls to their handlers.

use serde_json::{Map, Value, json};

use crate::call::{Call, Context};
use crate::catalog;
use crate::clock::seconds;
use crate::reply::{Fail, Outcome};
use crate::token::TokenSpec;
use crate::world::World;
use crate::{create, integration, parts, update, users, vpc};

/// Answers a call.
pub(crate) fn dispatch(world: &mut World, call: &Call) -> Outcome {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    // The public endpoints need no token.
    match segments.as_slice() {
        ["service_types"] => return only_get(call, || Ok(catalog::service_types(true))),
        ["clouds"] => return only_get(call, || Ok(catalog::clouds())),
        ["service_versions"] => return only_get(call, || Ok(catalog::service_versions())),
        _ => {}
    }
    let token = authenticate(world, call)?;
    match segments.as_slice() {
        ["me"] => only_get(call, || Ok(me(world, &token))),
        ["account", _, "service_versions"] => only_get(call, || Ok(catalog::service_versions())),
        ["project"] => only_get(call, || Ok(projects(world, &token))),
        ["project", project, rest @ ..] => {
            world.project(project)?;
            if !token.is_member(project) {
                return Err(Fail::new(403, "Not a project member"));
            }
            let context = Context { call, token: &token, project };
            in_project(world, &context, rest)
        }
        _ => Err(Fail::not_found()),
    }
}

fn authenticate(world: &World, call: &Call) -> Result<TokenSpec, Fail> {
    let found = call
        .token
        .as_ref()
        .and_then(|secret| world.config.tokens.iter().find(|token| token.secret == *secret));
    match (found, &call.token) {
        (Some(token), _) => Ok(token.clone()),
        (None, Some(_)) => Err(Fail::new(401, "Invalid token")),
        (None, None) => Err(Fail::new(401, "Missing (expired) db token")),
    }
}

fn only_get(call: &Call, answer: impl FnOnce() -> Outcome) -> Outcome {
    if call.method == "GET" { answer() } else { Err(Fail::method_not_allowed()) }
}

fn in_project(world: &mut World, context: &Context<'_>, rest: &[&str]) -> Outcome {
    let method = context.call.method.as_str();
    match (method, rest) {
        (_, ["service", name, parts @ ..]) if !parts.is_empty() => in_service(world, context, name, parts),
        ("GET", []) => project(world, context),
        (_, ["tags"]) => parts::project_tags(world, context),
        ("GET", ["service"]) => update::list(world, context),
        ("POST", ["service"]) => create::create(world, context),
        ("GET", ["service", name]) => update::get(world, context, name),
        ("PUT", ["service", name]) => update::put(world, context, name),
        ("DELETE", ["service", name]) => update::delete(world, context, name),
        ("GET", ["vpcs"]) => vpc::list(world, context),
        ("POST", ["vpcs"]) => vpc::create(world, context),
        ("GET", ["vpcs", id]) => vpc::get(world, context, id),
        ("DELETE", ["vpcs", id]) => vpc::delete(world, context, id),
        ("POST", ["integration"]) => integration::create(world, context),
        (_, ["integration", id]) => integration::one(world, context, id),
        ("GET", ["events"]) => Ok(json!({"events": world.project(context.project)?.events})),
        ("GET", ["alerts"]) => Ok(json!({"alerts": []})),
        ("GET", ["integration_endpoint"]) => Ok(json!({"service_integration_endpoints": []})),
        ("GET", ["kms", "ca"]) => {
            Ok(json!({"certificate": "-----BEGIN CERTIFICATE-----\nZmFrZQ==\n-----END CERTIFICATE-----\n"}))
        }
        ("GET", other) => catalog_of_project(context, other),
        (
            _,
            []
            | ["service" | "vpcs" | "events" | "alerts" | "clouds" | "service_types" | "service-types", ..],
        ) => Err(Fail::method_not_allowed()),
        _ => Err(Fail::not_found()),
    }
}

fn catalog_of_project(context: &Context<'_>, rest: &[&str]) -> Outcome {
    context.require(&["project:services:read", "project:services:write"])?;
    match rest {
        ["clouds"] => Ok(catalog::clouds()),
        ["service_types"] => Ok(catalog::service_types(true)),
        ["service-types"] => Ok(catalog::service_types(false)),
        ["service-types", kind] => catalog::service_type(kind),
        ["service-types", kind, "plans"] => {
            context.require(&["project:services:write"])?;
            catalog::service_plans(kind)
        }
        ["service-types", kind, "plans", plan] => catalog::service_plan(kind, plan),
        ["pricing", "service-types", kind, "plans", plan, "clouds", cloud] => {
            catalog::pricing(kind, plan, cloud)
        }
        _ => Err(Fail::not_found()),
    }
}

fn in_service(world: &mut World, context: &Context<'_>, name: &str, rest: &[&str]) -> Outcome {
    let method = context.call.method.as_str();
    match (method, rest) {
        (_, ["tags"]) => parts::tags(world, context, name),
        ("GET", ["backups"]) => parts::backups(world, context, name),
        ("GET", ["migration"]) => parts::migration(world, context, name),
        ("GET", ["integration"]) => integration::list(world, context, name),
        ("GET", ["alerts"]) => world.read(context.project, name).map(|_| json!({"alerts": []})),
        ("PUT", ["maintenance", "start"]) => parts::maintenance(world, context, name),
        ("PATCH", ["service_type"]) => update::change_type(world, context, name),
        ("POST", ["user"]) => users::create(world, context, name),
        ("GET", ["user", user]) => users::get(world, context, name, user),
        ("PUT", ["user", user]) => users::modify(world, context, name, user),
        ("DELETE", ["user", user]) => users::delete(world, context, name, user),
        ("PUT", ["user", user, "credentials", "reset"]) => users::reset(world, context, name, Some(user)),
        ("PUT", ["credentials", "reset"]) => users::reset(world, context, name, None),
        ("POST", ["task"]) => parts::task(world, context, name),
        ("POST", ["logs"]) => parts::logs(world, context, name),
        ("POST", ["enable-writes"]) => parts::enable_writes(world, context, name),
        (_, ["backups" | "migration" | "integration" | "service_type" | "user" | "task" | "logs", ..]) => {
            Err(Fail::method_not_allowed())
        }
        _ => Err(Fail::not_found()),
    }
}

fn me(world: &World, token: &TokenSpec) -> Value {
    let names: Vec<_> = world.projects.keys().filter(|name| token.is_member(name)).collect();
    let one: Map<_, _> = names.iter().map(|name| ((*name).clone(), json!("admin"))).collect();
    let many: Map<_, _> = names.iter().map(|name| ((*name).clone(), json!(["admin"]))).collect();
    json!({"user": {"user": "user@example.com", "user_id": "u3a1f0c2d4e5", "real_name": "Fake User",
        "state": "active", "auth": ["password"], "projects": names, "project_membership": one,
        "project_memberships": many, "tenant": "aiven", "intercom": {}, "invitations": [],
        "token_validity_begin": null, "create_time": seconds(world.now())}})
}

fn project_body(world: &World, name: &str) -> Value {
    let tags = world.projects.get(name).map(|project| project.tags.clone());
    json!({"project_name": name, "account_id": "a1b2c3d4e5f6", "organization_id": "org1a2b3c4d5e6",
        "billing_group_id": "7c0a3f7e-6d0e-4d3c-9e6f-0d8c5a1b2c3d", "billing_group_name": "default",
        "default_cloud": world.config.default_cloud, "estimated_balance": "12.34", "available_credits": "0.00",
        "card_info": null, "payment_method": "card", "vat_id": null, "country": null, "tags": tags,
        "tech_emails": [], "features": {}, "trial_expiration_time": null})
}

fn project(world: &World, context: &Context<'_>) -> Outcome {
    context.require(&["project:services:read"])?;
    Ok(json!({"project": project_body(world, context.project)}))
}

fn projects(world: &World, token: &TokenSpec) -> Value {
    let names = world.projects.keys().filter(|name| token.is_member(name));
    let list: Vec<_> = names.map(|name| project_body(world, name)).collect();
    json!({"projects": list, "project_membership": {}, "project_memberships": {}})
}
