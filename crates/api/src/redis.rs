//! The `Redis` kind: the shared spec and the `userConfig` of the provider's Redis.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::Validate;

use super::common::SecretKeyReference;
use super::user_config::redis::RedisUserConfig;
use super::{Custom, Kind, ManagedService, ServiceSpec, ServiceStatus, declared_keys};

/// Desired state of a managed Redis service. Aiven has retired Redis: upgrade to `Valkey`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema, Validate)]
#[kube(
    group = "aiven.io",
    version = "v1alpha1",
    kind = "Redis",
    doc = "A Redis service at Aiven. The resource has the name of the service; its connection details are written to a Secret. Aiven has retired Redis: upgrade to Valkey.",
    plural = "redis",
    namespaced,
    status = "ServiceStatus",
    deprecated = "aiven.io/v1alpha1 Redis is deprecated: Aiven retired it on March 31, 2025. Apply a Valkey of the same name with spec.migrateFrom.redis, which takes over service and Secret; then delete this resource.",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct RedisSpec {
    /// The fields every kind has.
    #[serde(flatten)]
    #[validate(nested)]
    pub service: ServiceSpec,
    /// Configuration of the service itself. Only declared keys are compared and sent; removing a key
    /// resets it to Aiven's default, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub user_config: Option<RedisUserConfig>,
}

impl Custom for Redis {
    const NAME: &'static str = Kind::Redis.name();

    type Status = ServiceStatus;

    fn reported(&self) -> Option<&ServiceStatus> {
        self.status.as_ref()
    }

    fn auth_secret_ref(&self) -> Option<&SecretKeyReference> {
        self.service().auth_secret_ref.as_ref()
    }
}

impl ManagedService for Redis {
    const KIND: Kind = Kind::Redis;

    fn service(&self) -> &ServiceSpec {
        &self.spec.service
    }

    fn user_config(&self) -> Map<String, Value> {
        declared_keys(self.spec.user_config.as_ref())
    }

    fn status(&self) -> Option<&ServiceStatus> {
        self.status.as_ref()
    }
}
