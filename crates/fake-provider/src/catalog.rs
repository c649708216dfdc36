//! Plans, clouds, service types, versions, and prices.

use serde_json::{Value, json};

use crate::reply::{Fail, Outcome};
use crate::schema::user_config_schema;

/// Clouds: name, description, region.
const CLOUDS: [(&str, &str, &str); 4] = [
    ("google-europe-west1", "Europe, Belgium - Google Cloud: Belgium", "europe"),
    ("google-europe-north1", "Europe, Finland - Google Cloud: Finland", "europe"),
    ("aws-eu-west-1", "Europe, Ireland - Amazon Web Services: Ireland", "europe"),
    ("azure-westeurope", "Europe, Netherlands - Azure: West Europe", "europe"),
];

const SIZES: [u64; 6] = [4, 8, 14, 28, 56, 112];

/// Dimensions of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) nodes: u64,
    pub(crate) memory_mb: u64,
    pub(crate) disk_mb: u64,
    pub(crate) step_mb: u64,
    pub(crate) cap_mb: u64,
}

impl Plan {
    pub(crate) fn is_free(&self) -> bool {
        self.name.starts_with("free-")
    }

    pub(crate) fn is_hobbyist(&self) -> bool {
        self.name == "hobbyist"
    }

    fn dynamic_disk(&self) -> bool {
        !self.is_free() && !self.is_hobbyist()
    }

    /// Checks a requested disk size.
    pub(crate) fn check_disk(&self, disk_mb: u64) -> Result<(), Fail> {
        let fits = disk_mb == self.disk_mb
            || (self.dynamic_disk()
                && (self.disk_mb..=self.cap_mb).contains(&disk_mb)
                && (disk_mb - self.disk_mb).is_multiple_of(self.step_mb));
        if fits {
            return Ok(());
        }
        Err(Fail::bad_request(format!(
            "Invalid disk_space_mb {disk_mb} for plan '{}': from {} to {} in steps of {}",
            self.name, self.disk_mb, self.cap_mb, self.step_mb
        )))
    }

    pub(crate) fn cpus(&self) -> u64 {
        (self.memory_mb / 4096).max(2)
    }
}

/// Returns all plans of the caching services.
pub(crate) fn plans() -> Vec<Plan> {
    let plan = |name: String, nodes, memory_mb, disk_mb, cap_mb| Plan {
        name,
        nodes,
        memory_mb,
        disk_mb,
        cap_mb,
        step_mb: 10_240,
    };
    let mut all =
        vec![plan("free-1".into(), 1, 1024, 5120, 5120), plan("hobbyist".into(), 1, 1024, 5120, 5120)];
    for (tier, nodes) in [("startup", 1), ("business", 2), ("premium", 3)] {
        for size in SIZES {
            let disk = size * 1024 * 25 / 4;
            all.push(plan(format!("{tier}-{size}"), nodes, size * 1024, disk, disk + 10 * 10_240));
        }
    }
    all
}

/// Finds a plan or refuses as the provider does.
pub(crate) fn plan(service_type: &str, name: &str) -> Result<Plan, Fail> {
    plans()
        .into_iter()
        .find(|plan| plan.name == name)
        .ok_or_else(|| Fail::bad_request(format!("Invalid plan '{name}' for service type '{service_type}'")))
}

/// Refuses a cloud that does not exist.
pub(crate) fn check_cloud(name: &str) -> Result<(), Fail> {
    if CLOUDS.iter().any(|cloud| cloud.0 == name) {
        Ok(())
    } else {
        Err(Fail::bad_request(format!("Invalid cloud '{name}'")))
    }
}

pub(crate) fn cloud_description(name: &str) -> &'static str {
    CLOUDS.iter().find(|cloud| cloud.0 == name).map_or("", |cloud| cloud.1)
}

pub(crate) fn clouds() -> Value {
    let list: Vec<_> = CLOUDS
        .iter()
        .map(|(name, description, region)| {
            json!({"cloud_name": name, "cloud_description": description, "geo_region": region,
                "geo_latitude": 50.45, "geo_longitude": 3.82, "provider": name.split('-').next(),
                "provider_description": null})
        })
        .collect();
    json!({"clouds": list})
}

pub(crate) fn type_description(service_type: &str) -> &'static str {
    match service_type {
        "valkey" => "Valkey - High-performance key/value datastore",
        "redis" => "Caching - In-Memory Data Structure Store",
        "pg" => "PostgreSQL - Object-Relational Database Management System",
        "kafka" => "Kafka - High-Throughput Distributed Messaging System",
        _ => "Managed service",
    }
}

fn type_object(service_type: &str) -> Value {
    let latest = if service_type == "valkey" { "9.1" } else { "7.0" };
    json!({"default_version": latest, "latest_available_version": latest,
        "description": type_description(service_type),
        "user_config_schema": user_config_schema(service_type)})
}

/// Returns the full catalog, plans and regions included.
pub(crate) fn service_types(with_plans: bool) -> Value {
    let mut types = json!({});
    for name in ["valkey", "redis"] {
        types[name] = type_object(name);
        if with_plans {
            types[name]["service_plans"] = plans().iter().map(|plan| plan_summary(name, plan)).collect();
        }
    }
    json!({"service_types": types})
}

fn known_type(service_type: &str) -> Result<(), Fail> {
    match service_type {
        "valkey" | "redis" => Ok(()),
        _ => Err(Fail::new(404, format!("Service type {service_type} does not exist"))
            .code("invalid_service_type")),
    }
}

pub(crate) fn service_type(name: &str) -> Outcome {
    known_type(name).map(|()| type_object(name))
}

fn backup_config() -> Value {
    json!({"interval": 12, "max_count": 6, "recovery_mode": "basic"})
}

fn memory_percent(plan: &Plan) -> u32 {
    if plan.is_free() { 50 } else { 70 }
}

fn plan_summary(service_type: &str, plan: &Plan) -> Value {
    let regions: serde_json::Map<String, Value> =
        CLOUDS.iter().map(|cloud| (cloud.0.to_owned(), json!({"disk_space_mb": plan.disk_mb}))).collect();
    json!({"service_plan": plan.name, "service_type": service_type, "backup_config": backup_config(),
        "node_count": plan.nodes, "max_memory_percent": memory_percent(plan), "is_cluster_plan": false,
        "regions": regions})
}

pub(crate) fn service_plans(service_type: &str) -> Outcome {
    known_type(service_type)?;
    let list: Vec<_> = plans().iter().map(|plan| plan_summary(service_type, plan)).collect();
    Ok(json!({"service_plans": list}))
}

pub(crate) fn service_plan(service_type: &str, name: &str) -> Outcome {
    known_type(service_type)?;
    let missing = |_| Fail::new(404, format!("Plan {name} does not exist"));
    let plan = plan(service_type, name).map_err(missing)?;
    let mut body = json!({"service_plan": plan.name, "service_type": service_type,
        "disk_space_mb": plan.disk_mb, "node_count": plan.nodes, "backup_config": backup_config(),
        "max_memory_percent": memory_percent(&plan)});
    if plan.dynamic_disk() {
        body["disk_space_step_mb"] = plan.step_mb.into();
        body["disk_space_cap_mb"] = plan.cap_mb.into();
    }
    Ok(body)
}

pub(crate) fn pricing(service_type: &str, name: &str, cloud: &str) -> Outcome {
    let plan = service_plan(service_type, name).and_then(|_| plan(service_type, name))?;
    check_cloud(cloud)?;
    let mut body = json!({"base_price_usd": "0.1370", "cloud_name": cloud,
        "service_plan": plan.name, "service_type": service_type});
    if plan.dynamic_disk() {
        body["extra_disk_price_per_gb_usd"] = "0.00041".into();
    }
    Ok(body)
}

pub(crate) fn service_versions() -> Value {
    let version = |service_type: &str, major: &str, state: &str, end: Value| {
        json!({"service_type": service_type, "major_version": major, "state": state,
            "aiven_end_of_life_time": end, "termination_time": null})
    };
    json!({"service_versions": [
        version("redis", "7.0", "eol", "2025-03-31T00:00:00Z".into()),
        version("valkey", "8.1", "available", Value::Null),
        version("valkey", "9.0", "available", "2026-08-31T00:00:00Z".into()),
        version("valkey", "9.1", "available", Value::Null),
    ]})
}
