//! What the simulated provider sells: service types, plans and clouds. Guarantees that disk and
//! node numbers of one plan agree with each other; prices are illustrative.

mod clouds;

use serde_json::{Value, json};
use std::sync::Arc;

/// Kind of service. Only Valkey and Redis are simulated in depth; `pg` exists so that a
/// client can meet a service of a kind it does not expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceType {
    /// `valkey`
    Valkey,
    /// `redis`
    Redis,
    /// `pg`
    Postgres,
}

impl ServiceType {
    /// The service type with this name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "valkey" => Some(Self::Valkey),
            "redis" => Some(Self::Redis),
            "pg" => Some(Self::Postgres),
            _ => None,
        }
    }

    /// Name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valkey => "valkey",
            Self::Redis => "redis",
            Self::Postgres => "pg",
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Valkey => "Valkey - High-performance key/value datastore",
            Self::Redis => "Redis - In-memory data structure store",
            Self::Postgres => "PostgreSQL - Relational database",
        }
    }

    /// Scheme of the service URI.
    pub(super) fn scheme(self, tls: bool) -> &'static str {
        match (self, tls) {
            (Self::Valkey, true) => "valkeys",
            (Self::Valkey, false) => "valkey",
            (Self::Redis, true) => "rediss",
            (Self::Redis, false) => "redis",
            (Self::Postgres, _) => "postgres",
        }
    }

    /// Name of the user that exists from the beginning.
    pub(super) fn main_user(self) -> &'static str {
        if self == Self::Postgres { "avnadmin" } else { "default" }
    }

    /// Full version that runs for a configured major version.
    pub(super) fn full_version(self, configured: Option<&str>) -> &'static str {
        match (self, configured) {
            (Self::Valkey, Some("8.1")) => "8.1.5",
            (Self::Valkey, Some("9.0")) => "9.0.3",
            (Self::Valkey, _) => "9.1.0",
            (Self::Redis, _) => "7.0.15",
            (Self::Postgres, Some("16")) => "16.10",
            (Self::Postgres, _) => "17.6",
        }
    }
}

/// A subscription plan, valid for every service type.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name, for example `startup-4`.
    pub name: String,
    /// Nodes of the service.
    pub nodes: u32,
    /// Processors of each node.
    pub processors: u32,
    /// Memory of each node.
    pub memory_mb: u64,
    /// Disk over all nodes unless the service requests more.
    pub disk_mb: u64,
    /// Step in which disk can be added; `None` when it cannot.
    pub disk_step_mb: Option<u64>,
    /// Most disk the plan allows.
    pub disk_cap_mb: Option<u64>,
    /// Backups that are kept.
    pub backups: usize,
    /// Price of an hour, in thousandths of a dollar.
    pub price_millis: u64,
}

impl Plan {
    pub(super) fn is_free(&self) -> bool {
        self.name.starts_with("free-")
    }

    /// Whether services of this plan take part in integrations.
    pub(super) fn has_integrations(&self) -> bool {
        !self.is_free() && self.name != "hobbyist"
    }

    /// The part of its memory that a server may fill with data, in percent.
    pub(super) fn memory_percent(&self) -> u64 {
        if self.is_free() { 50 } else { 70 }
    }

    /// Memory that a server may fill with data, in bytes.
    pub(super) fn data_memory(&self) -> u64 {
        self.memory_mb * 1024 * 1024 / 100 * self.memory_percent()
    }

    pub(super) fn is_startup(&self) -> bool {
        self.name.starts_with("startup-")
    }

    /// Entry of the plan list.
    pub(super) fn summary(&self, service_type: ServiceType) -> Value {
        json!({
            "service_plan": self.name, "service_type": service_type.name(), "node_count": self.nodes,
            "max_memory_percent": self.memory_percent(), "is_cluster_plan": false,
            "backup_config": self.backup_config(),
        })
    }

    /// Entry of the full catalogue, with what the plan is in each cloud.
    pub(super) fn catalogue_entry(&self, service_type: ServiceType, clouds: &[Arc<Cloud>]) -> Value {
        let mut entry = self.summary(service_type);
        let region = json!({
            "disk_space_mb": self.disk_mb, "node_cpu_count": self.processors, "node_memory_mb": self.memory_mb,
            "price_usd": self.price(), "object_storage_gb_price_usd": null,
            "extra_disk_price_per_gb_usd": self.extra_disk_price(),
            "disk_space_step_mb": self.disk_step_mb, "disk_space_cap_mb": self.disk_cap_mb,
        });
        entry["regions"] = clouds.iter().map(|cloud| (cloud.name.clone(), region.clone())).collect();
        entry
    }

    /// Price of an hour in dollars.
    pub(super) fn price(&self) -> String {
        format!("{}.{:03}", self.price_millis / 1000, self.price_millis % 1000)
    }

    /// Price of an hour of a GB of disk in dollars, where disk can be added.
    pub(super) fn extra_disk_price(&self) -> Option<&'static str> {
        self.disk_step_mb.map(|_| "0.0003")
    }

    /// Description of the plan on its own.
    pub(super) fn details(&self, service_type: ServiceType) -> Value {
        let mut details = json!({
            "service_plan": self.name, "service_type": service_type.name(), "node_count": self.nodes,
            "disk_space_mb": self.disk_mb, "max_memory_percent": self.memory_percent(),
            "backup_config": self.backup_config(),
        });
        if let (Some(step), Some(cap)) = (self.disk_step_mb, self.disk_cap_mb) {
            details["disk_space_step_mb"] = step.into();
            details["disk_space_cap_mb"] = cap.into();
        }
        details
    }

    fn backup_config(&self) -> Value {
        json!({ "interval": 12, "max_count": self.backups, "recovery_mode": "basic" })
    }
}

/// A cloud region.
#[derive(Debug, Clone)]
pub struct Cloud {
    /// Name, for example `google-europe-west1`.
    pub name: String,
    /// Description for people.
    pub description: String,
    /// Part of the world.
    pub region: String,
    /// Where it is: latitude and longitude.
    pub place: (f64, f64),
}

impl Cloud {
    pub(super) fn listing(&self) -> Value {
        let provider = self.name.split('-').next().unwrap_or_default();
        let company = match provider {
            "aws" => "Amazon Web Services",
            "azure" => "Microsoft Azure",
            "do" => "DigitalOcean",
            "google" => "Google Cloud Platform",
            "upcloud" => "UpCloud",
            other => other,
        };
        json!({
            "cloud_name": self.name, "cloud_description": self.description, "geo_region": self.region,
            "geo_latitude": self.place.0, "geo_longitude": self.place.1, "provider": provider,
            "provider_description": company,
        })
    }
}

/// The default price list: hobbyist, free, and the startup, business and premium families.
pub(super) fn default_plans() -> Vec<Plan> {
    let single = |name: &str, memory_mb, backups, price_millis| Plan {
        name: name.to_owned(),
        nodes: 1,
        processors: 1,
        memory_mb,
        disk_mb: 5 * 1024,
        disk_step_mb: None,
        disk_cap_mb: None,
        backups,
        price_millis,
    };
    let mut plans = vec![single("free-1", 1024, 1, 0), single("hobbyist", 1024, 1, 18)];
    for (family, nodes, backups) in [("startup", 1, 2), ("business", 2, 4), ("premium", 3, 12)] {
        for memory_gib in [4_u32, 8, 14, 28, 56, 112, 200] {
            let memory_mb = u64::from(memory_gib) * 1024;
            let disk_mb = memory_mb * 25 / 4;
            plans.push(Plan {
                name: format!("{family}-{memory_gib}"),
                nodes,
                processors: (memory_gib / 2).clamp(2, 32),
                memory_mb,
                disk_mb,
                disk_step_mb: Some(u64::from(nodes) * 5 * 1024),
                disk_cap_mb: Some(disk_mb + u64::from(nodes) * 300 * 1024),
                backups,
                price_millis: u64::from(memory_gib * nodes) * 35,
            });
        }
    }
    plans
}

/// The default list of clouds.
pub(super) fn default_clouds() -> Vec<Cloud> {
    clouds::ALL
        .iter()
        .map(|&(name, description, region, latitude, longitude)| Cloud {
            name: name.to_owned(),
            description: description.to_owned(),
            region: region.to_owned(),
            place: (latitude, longitude),
        })
        .collect()
}
