//! The part of the spec that both kinds share.
//!
//! Field names, bounds and meaning are those users already have in their manifests. Bounds are given once,
//! as `validator` attributes, which also feed the CRD schema; CEL rules are added in one place for both kinds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::{
    connection_shape::{ConnectionConfigMapTarget, KeyTemplate, Preset, Route},
    policies::Policies,
    power_schedule::PowerSchedule,
    user_config::pattern,
};

/// What a `Valkey` and a `Redis` have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// Project at Aiven that this service belongs to.
    #[validate(length(max = 63), regex(path = *pattern::PROJECT))]
    pub project: String,
    /// Subscription plan, for example `startup-4`. Changing it rebuilds the nodes on the new plan.
    #[validate(length(max = 128))]
    pub plan: String,
    /// Cloud and region the service runs in, for example `google-europe-west1`. Changing it migrates the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256))]
    pub cloud_name: Option<String>,
    /// Secret that holds the Aiven token for this resource. It takes precedence over the operator's default token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub auth_secret_ref: Option<SecretKeyReference>,
    /// The Secret that connection details are written to. Changing it does not touch the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub conn_info_secret_target: Option<ConnectionSecretTarget>,
    /// A ConfigMap that host, port and TLS mode are written to as well, without user and password. It stays once set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub conn_info_config_map_target: Option<ConnectionConfigMapTarget>,
    /// When true, no connection Secret is written. Can only be set when the resource is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn_info_secret_target_disabled: Option<bool>,
    /// Disk space of the service, for example `90GiB`; a bare number means GiB. Which sizes are possible depends
    /// on plan, cloud and project. A smaller size rebalances the nodes. Removing the field leaves the size as it is.
    #[serde(default, rename = "disk_space", skip_serializing_if = "Option::is_none")]
    #[validate(regex(path = *pattern::DISK_SPACE))]
    pub disk_space: Option<String>,
    /// Day of the week for maintenance by Aiven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]))]
    pub maintenance_window_dow: Option<String>,
    /// Time of day at which maintenance may start, in UTC as `HH:mm:ss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 8))]
    pub maintenance_window_time: Option<String>,
    /// Whether the service runs, which is the default. False powers it off as soon as a backup exists; its data is kept,
    /// its connection Secret stays. A service is always created running.
    #[serde(default = "powered_by_default", skip_serializing_if = "Option::is_none")]
    pub powered: Option<bool>,
    /// Powers the service off and on again at fixed times. `powered: false` keeps it off whatever the schedule says, and
    /// the annotation `valkeeper.io/power` overrides the schedule until its next switch. As with `powered`, power-off
    /// waits for a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub power_schedule: Option<PowerSchedule>,
    /// Identifier of the project VPC to place the service in. Changing it rebuilds the nodes in the other network.
    /// Excludes `projectVPCRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 36))]
    pub project_vpc_id: Option<String>,
    /// A `ProjectVPC` resource whose identifier is used as `projectVpcId`. Excludes `projectVpcId`.
    #[serde(default, rename = "projectVPCRef", skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub project_vpc_ref: Option<ResourceReference>,
    /// Integrations to create together with the service. They have no effect on an existing service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 1), nested)]
    pub service_integrations: Option<Vec<ServiceIntegration>>,
    /// Tags of the service at Aiven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// E-mail addresses that Aiven notifies about maintenance and problems of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 10), nested)]
    pub technical_emails: Option<Vec<TechnicalEmail>>,
    /// Blocks the deletion and the power-off of the service. Recommended for production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_protection: Option<bool>,
    /// Secret that holds the password of the server to migrate from, instead of `userConfig.migration.password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub migration_secret_source: Option<SecretKeyReference>,
    /// How the resource behaves where more than one behaviour is right.
    #[serde(flatten)]
    pub policies: Policies,
}

/// The MiB that a `disk_space` stands for: a bare number means GiB. Nothing when it is not a size.
pub fn disk_space_mib(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let known = ["", "g", "gib"].contains(&text[digits.len()..].to_ascii_lowercase().as_str());
    let gib = digits.parse::<u32>().ok().filter(|gib| known && *gib > 0)?;
    Some(u64::from(gib) * 1024)
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn powered_by_default() -> Option<bool> {
    Some(true)
}

/// One key of a Secret in the resource's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct SecretKeyReference {
    /// Name of the Secret.
    #[validate(length(min = 1))]
    pub name: String,
    /// Key in the Secret.
    #[validate(length(min = 1))]
    pub key: String,
}

/// Where connection details are written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionSecretTarget {
    /// Name of the Secret. Empty means the name of the resource; once set it stays.
    pub name: String,
    /// What every key starts with, taken as it is. By default, and if it is empty, the kind in upper case and an underscore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Labels added to the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations added to the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Keys to write besides the usual ones, after the same prefix. `URI` is one text for client libraries,
    /// `rediss://user:password@host:port`. `REPLICA_HOST` and `REPLICA_PORT` are there while the plan has a replica.
    /// `CA_CERT` is the certificate of the project's certificate authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[validate(length(max = 4))]
    pub extra_keys: Option<Vec<ExtraKey>>,
    /// The way to the service that host and port belong to. `Dynamic`, the default, is the address that Aiven
    /// recommends. Any other route must be enabled in `userConfig`, as `private_access`, `privatelink_access` or
    /// `public_access`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// Keys for client libraries and frameworks. `uri`, `jdbc` and `stackexchange` add one key each, after the same
    /// prefix: `URI`, `JDBC_URL` and `STACKEXCHANGE`. `sidekiq` adds `REDIS_URL`, `django` adds `CACHE_URL`, and `spring`
    /// adds `SPRING_DATA_REDIS_HOST`, `_PORT`, `_USERNAME`, `_PASSWORD` and `_SSL_ENABLED`, without a prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[validate(length(max = 6))]
    pub presets: Option<Vec<Preset>>,
    /// Further keys, by their whole name, with a template of the value, such as
    /// `{scheme}://{user}:{password}@{host}:{port}/0`. Placeholders are `{scheme}`, `{host}`, `{port}`, `{user}`,
    /// `{password}`, `{ssl}`, `{replicaHost}` and `{replicaPort}`. In a template with `://`, user and password are
    /// percent-encoded. A key that needs a replica is there while the plan has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 16))]
    pub keys: Option<BTreeMap<String, KeyTemplate>>,
    /// When true, the Secret also has the entries of the Service Binding specification (`type`, `provider`, `host`,
    /// `port`, `username`, `password`, `uri`), and `status.binding.name` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_binding: Option<bool>,
}

/// A key that a connection Secret holds on demand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("enum" = ["URI", "REPLICA_HOST", "REPLICA_PORT", "CA_CERT"]))]
pub struct ExtraKey(pub String);

/// Another resource, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct ResourceReference {
    /// Name of the resource.
    #[validate(length(min = 1))]
    pub name: String,
    /// Namespace of the resource; by default the namespace of the resource that refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1))]
    pub namespace: Option<String>,
}

/// An integration that exists from the creation of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ServiceIntegration {
    /// Type of integration.
    #[schemars(extend("enum" = ["read_replica"]))]
    pub integration_type: String,
    /// Service in the same project that this one replicates.
    #[validate(length(min = 1, max = 64))]
    pub source_service_name: String,
}

/// An address to notify.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct TechnicalEmail {
    /// E-mail address.
    #[validate(regex(path = *pattern::EMAIL))]
    pub email: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_disk_size_means_gib() {
        for size in ["80", "80G", "80g", "80GiB", "80gIb"] {
            assert_eq!(disk_space_mib(size), Some(80 * 1024), "{size}");
        }
        for nonsense in ["", "0", "-1", "80MB", "G", "99999999999", "8 0", "80é"] {
            assert_eq!(disk_space_mib(nonsense), None, "{nonsense}");
        }
    }
}
