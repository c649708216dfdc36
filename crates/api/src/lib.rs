//! The custom resources as users write them: kinds, spec, status, names and rules.
//!
//! Everything here is data and pure functions. Stored objects decode leniently (unknown fields are ignored,
//! enumerations stay text), so one odd object can never hide the other objects; [`mod@validate`] judges a spec. The
//! engine converts a spec to a provider request.

pub mod common;
pub mod connection_shape;
pub mod crd;
pub mod field_path;
pub mod names;
pub mod policies;
pub mod power_schedule;
pub mod project_vpc;
pub mod redis;
pub mod removal;
pub mod rules;
pub mod sensitive;
pub mod service_facts;
pub mod service_user;
pub mod status;
pub mod takeover;
pub mod user_config;
pub mod validate;
pub mod valkey;
pub mod valkey_backup;
pub mod valkey_cluster;
pub mod valkey_scheduled_backup;
pub mod valkey_user;
pub mod yaml;

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use common::ServiceSpec;
pub use project_vpc::{ProjectVpc, ProjectVpcStatus};
pub use redis::{Redis, RedisSpec};
pub use service_facts::ServiceFacts;
pub use service_user::{ServiceUser, ServiceUserSpec, ServiceUserStatus};
pub use status::ServiceStatus;
pub use user_config::PropertyFacts;
pub use validate::{Violation, validate};
pub use valkey::{Valkey, ValkeySpec};
pub use valkey_backup::{BackupStatus, ValkeyBackup, ValkeyBackupSpec};
pub use valkey_cluster::{ClusterStatus, ValkeyCluster, ValkeyClusterSpec};
pub use valkey_scheduled_backup::{ScheduledBackupStatus, ValkeyScheduledBackup, ValkeyScheduledBackupSpec};
pub use valkey_user::{UserStatus, ValkeyUser, ValkeyUserSpec};

/// API group of the kinds that stand for something at the provider.
pub const GROUP: &str = "aiven.io";
/// The only version, served and stored.
pub const VERSION: &str = "v1alpha1";

/// The kinds of managed service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A managed Valkey service.
    Valkey,
    /// A managed Redis service, deprecated by the provider.
    Redis,
}

impl Kind {
    /// Every kind, in the order documents list them.
    pub const ALL: [Self; 2] = [Self::Valkey, Self::Redis];

    /// The `kind` of a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valkey => "Valkey",
            Self::Redis => "Redis",
        }
    }

    /// The resource name in Kubernetes URLs.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Valkey => "valkeys",
            Self::Redis => "redis",
        }
    }

    /// What the provider calls this type of service.
    pub const fn service_type(self) -> &'static str {
        match self {
            Self::Valkey => "valkey",
            Self::Redis => "redis",
        }
    }

    /// What connection Secret keys start with unless the user chose another prefix.
    pub const fn secret_prefix(self) -> &'static str {
        match self {
            Self::Valkey => "VALKEY_",
            Self::Redis => "REDIS_",
        }
    }

    /// Whether aiven-operator wrote the keys of connection Secrets once more without a prefix.
    pub const fn wrote_bare_keys(self) -> bool {
        matches!(self, Self::Redis)
    }

    /// The facts of the provider's schema about each `userConfig` property, sorted by name.
    pub const fn user_config_facts(self) -> &'static [PropertyFacts] {
        match self {
            Self::Valkey => user_config::valkey::FACTS,
            Self::Redis => user_config::redis::FACTS,
        }
    }
}

/// A namespaced custom resource with a status, whatever it stands for.
pub trait Custom:
    kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The `kind` of its manifests.
    const NAME: &'static str;

    /// Keeps a resource until what belongs to it is gone.
    const FINALIZER: &'static str = names::FINALIZER;

    /// The type of its status.
    type Status: Reported;

    /// What was last reported about it.
    fn reported(&self) -> Option<&Self::Status>;

    /// The conditions that were last reported about it.
    fn conditions(&self) -> &[Condition] {
        self.reported().map_or(&[], Reported::conditions)
    }

    /// The Secret with the token for Aiven that it names.
    fn auth_secret_ref(&self) -> Option<&common::SecretKeyReference> {
        None
    }
}

/// A status with conditions.
pub trait Reported: Clone + PartialEq + Serialize {
    /// The conditions.
    fn conditions(&self) -> &[Condition];

    /// The conditions, to be changed.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;
}

/// A custom resource that stands for one service at the provider.
pub trait ManagedService: Custom<Status = ServiceStatus> {
    /// Which kind this is.
    const KIND: Kind;

    /// The fields both kinds share.
    fn service(&self) -> &ServiceSpec;

    /// The `userConfig` as the provider takes it: exactly the keys the user declared.
    fn user_config(&self) -> Map<String, Value>;

    /// Whether it takes over the `Redis` of its name.
    fn migrates_from_redis(&self) -> bool {
        false
    }

    /// What was last reported about the service.
    fn status(&self) -> Option<&ServiceStatus>;
}

/// The declared keys of a typed configuration; absent options are skipped by its `Serialize`.
fn declared_keys(config: Option<&impl Serialize>) -> Map<String, Value> {
    match config.map(serde_json::to_value) {
        Some(Ok(Value::Object(keys))) => keys,
        // Plain data always serialises, and to an object.
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example<T: ManagedService>(text: &str) -> T {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn the_valkey_example_round_trips() {
        let text = include_str!("../../../examples/valkey.yaml");
        let valkey: Valkey = example(text);
        assert_eq!(valkey.service().plan, "startup-4");
        assert_eq!(valkey.user_config().keys().collect::<Vec<_>>(), ["ip_filter"]);
        let mut written = serde_json::to_value(&valkey).unwrap();
        assert_eq!(written["spec"]["powered"], true, "the CRD's default");
        written["spec"].as_object_mut().unwrap().remove("powered");
        assert_eq!(written, serde_yaml::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn the_redis_example_round_trips() {
        let redis: Redis = example(include_str!("../../../examples/redis.yaml"));
        assert_eq!(redis.user_config()["redis_maxmemory_policy"], "allkeys-random");
        assert_eq!(example::<Redis>(&serde_yaml::to_string(&redis).unwrap()), redis);
    }

    #[test]
    fn odd_stored_objects_still_decode() {
        let valkey: Valkey = example(
            "{apiVersion: aiven.io/v1alpha1, kind: Valkey, metadata: {name: a}, unknown: 1, spec: {project: p,
              plan: x, unknown: 1, maintenanceWindowDow: someday, connInfoSecretTarget: {name: ''}, userConfig:
              {unknown: 1, valkey_persistence: aof, ip_filter: [10.0.0.0/8, {network: '::/0', description: all}]}},
              status: {state: NEW, conditions: null}}",
        );
        assert_eq!(
            Value::Object(valkey.user_config()),
            serde_json::json!({"valkey_persistence": "aof", "ip_filter":
                [{"network": "10.0.0.0/8"}, {"network": "::/0", "description": "all"}]}),
        );
        assert_eq!(valkey.status().and_then(|status| status.state.as_deref()), Some("NEW"));
    }

    #[test]
    fn a_migration_password_reaches_the_provider_but_not_the_log() {
        let valkey: Valkey = example(
            "{apiVersion: aiven.io/v1alpha1, kind: Valkey, metadata: {name: a}, spec: {project: p, plan: x,
              userConfig: {migration: {host: h, port: 1, password: hunter2}}}}",
        );
        assert_eq!(valkey.user_config()["migration"]["password"], "hunter2");
        assert!(!format!("{valkey:?}").contains("hunter2"));
    }

    #[test]
    fn facts_name_every_property_once_and_in_order() {
        for kind in Kind::ALL {
            let names: Vec<_> = kind.user_config_facts().iter().map(|facts| facts.name).collect();
            assert!(names.is_sorted());
            assert!(names.contains(&"service_to_fork_from"));
        }
    }
}
