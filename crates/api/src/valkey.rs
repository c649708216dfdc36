//! The `Valkey` kind: the shared spec and the `userConfig` of the provider's Valkey.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::Validate;

use super::common::SecretKeyReference;
use super::user_config::valkey::ValkeyUserConfig;
use super::{Custom, Kind, ManagedService, ServiceSpec, ServiceStatus, declared_keys};

/// Desired state of a managed Valkey service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema, Validate)]
#[kube(
    group = "aiven.io",
    version = "v1alpha1",
    kind = "Valkey",
    doc = "A Valkey service at Aiven. The resource has the name of the service; its connection details are written to a Secret.",
    plural = "valkeys",
    namespaced,
    status = "ServiceStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ValkeySpec {
    /// The fields every kind has.
    #[serde(flatten)]
    #[validate(nested)]
    pub service: ServiceSpec,
    /// Takes over a `Redis` of the same namespace and name: its service, which becomes a Valkey in place with its data,
    /// and its connection Secret with the keys as they are. Can only be set when the resource is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub migrate_from: Option<MigrateFrom>,
    /// Configuration of the service itself. Only declared keys are compared and sent; removing a key
    /// resets it to Aiven's default, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub user_config: Option<ValkeyUserConfig>,
}

/// What a `Valkey` takes over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct MigrateFrom {
    /// Name of the `Redis`. The service keeps its name, so it is `metadata.name` as well.
    #[validate(length(min = 1, max = 63))]
    pub redis: String,
}

impl Custom for Valkey {
    const NAME: &'static str = Kind::Valkey.name();

    type Status = ServiceStatus;

    fn reported(&self) -> Option<&ServiceStatus> {
        self.status.as_ref()
    }

    fn auth_secret_ref(&self) -> Option<&SecretKeyReference> {
        self.service().auth_secret_ref.as_ref()
    }
}

impl ManagedService for Valkey {
    const KIND: Kind = Kind::Valkey;

    fn service(&self) -> &ServiceSpec {
        &self.spec.service
    }

    fn user_config(&self) -> Map<String, Value> {
        declared_keys(self.spec.user_config.as_ref())
    }

    fn status(&self) -> Option<&ServiceStatus> {
        self.status.as_ref()
    }

    fn migrates_from_redis(&self) -> bool {
        self.spec.migrate_from.is_some()
    }
}
