//! The catalogue: clouds, service types, versions, plans and prices. Guarantees that what is listed
//! here is what create and update accept.

use crate::provider::call::Call;
use crate::provider::catalogue::{Cloud, ServiceType};
use crate::provider::outcome::{ApiError, Outcome, Reply};
use crate::provider::schema::Schema;
use serde_json::{Value, json};

const SERVICE_TYPES: [ServiceType; 3] = [ServiceType::Valkey, ServiceType::Redis, ServiceType::Postgres];

/// `GET /v1/clouds` and `GET /v1/project/{project}/clouds`
pub(super) fn clouds(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let clouds: Vec<Value> = world.clouds.iter().map(|cloud| Cloud::listing(cloud)).collect();
    Reply::json(&json!({ "clouds": clouds }))
}

/// `GET /v1/service_versions` and `GET /v1/account/{account}/service_versions`
pub(super) fn versions(_call: &Call<'_>) -> Outcome {
    let version = |service_type: &str, major: &str, state: &str| {
        let end = (state == "eol").then_some("2026-08-31T00:00:00Z");
        json!({
            "service_type": service_type, "major_version": major, "state": state,
            "aiven_end_of_life_time": end, "availability_start_time": "2024-01-01T00:00:00Z",
            "availability_end_time": end, "end_of_life_help_article_url": "https://example.invalid/eol",
            "termination_time": null, "upgrade_to_service_type": end.map(|_| "valkey"),
            "upgrade_to_version": end.map(|_| "9.1"), "upstream_end_of_life_time": null,
        })
    };
    Reply::json(&json!({ "service_versions": [
        version("valkey", "8.1", "available"), version("valkey", "9.0", "eol"), version("valkey", "9.1", "available"),
        version("redis", "7.0", "eol"), version("pg", "16", "available"), version("pg", "17", "available"),
    ] }))
}

fn details(service_type: ServiceType) -> Value {
    json!({
        "description": service_type.description(), "default_version": service_type.full_version(None),
        "latest_available_version": service_type.full_version(None),
        "user_config_schema": Schema::of(service_type).document(),
    })
}

fn found(call: &Call<'_>) -> Result<ServiceType, ApiError> {
    let name = call.parameter(1);
    let missing =
        || ApiError::not_found(format!("Service type {name} does not exist")).code("invalid_service_type");
    ServiceType::parse(name).ok_or_else(missing)
}

/// `GET /v1/service_types` and `GET …/service_types`: the full catalogue.
pub(super) fn catalogue(call: &Call<'_>) -> Outcome {
    let (plans, clouds) = {
        let world = call.world();
        (world.plans.clone(), world.clouds.clone())
    };
    let types = SERVICE_TYPES.map(|each| {
        let mut entry = details(each);
        entry["service_plans"] = plans.iter().map(|plan| plan.catalogue_entry(each, &clouds)).collect();
        (each.name().to_owned(), entry)
    });
    Reply::json(&json!({ "service_types": types.into_iter().collect::<serde_json::Map<_, _>>() }))
}

/// `GET …/service-types`
pub(super) fn service_types(_call: &Call<'_>) -> Outcome {
    let types =
        SERVICE_TYPES.map(|each| (each.name().to_owned(), json!({ "description": each.description() })));
    Reply::json(&json!({ "service_types": types.into_iter().collect::<serde_json::Map<_, _>>() }))
}

/// `GET …/service-types/{type}`
pub(super) fn service_type(call: &Call<'_>) -> Outcome {
    Reply::json(&details(found(call)?))
}

/// `GET …/service-types/{type}/plans`
pub(super) fn plans(call: &Call<'_>) -> Outcome {
    let service_type = found(call)?;
    let world = call.world();
    let plans: Vec<Value> = world.plans.iter().map(|plan| plan.summary(service_type)).collect();
    Reply::json(&json!({ "service_plans": plans }))
}

/// `GET …/service-types/{type}/plans/{plan}`
pub(super) fn plan(call: &Call<'_>) -> Outcome {
    let service_type = found(call)?;
    let name = call.parameter(2);
    let world = call.world();
    let plan = world.plan(name).ok_or_else(|| ApiError::not_found(format!("Plan {name} does not exist")))?;
    Reply::json(&plan.details(service_type))
}

/// `GET …/pricing/service-types/{type}/plans/{plan}/clouds/{cloud}`
pub(super) fn price(call: &Call<'_>) -> Outcome {
    let service_type = found(call)?;
    let (plan_name, cloud_name) = (call.parameter(2), call.parameter(3));
    let world = call.world();
    let (Some(plan), Some(cloud)) = (world.plan(plan_name), world.cloud(cloud_name)) else {
        return Err(ApiError::not_found(format!("No price for plan {plan_name} in cloud {cloud_name}")));
    };
    let mut price = json!({
        "base_price_usd": plan.price(), "cloud_name": cloud.name, "service_plan": plan.name,
        "service_type": service_type.name(),
    });
    if let Some(extra) = plan.extra_disk_price() {
        price["extra_disk_price_per_gb_usd"] = extra.into();
    }
    Reply::json(&price)
}
