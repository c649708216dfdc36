//! How clients find the servers, and which of them may connect.

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use validator::Validate;

#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static PRIMARY_NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[A-Za-z0-9._-]{1,64}$").unwrap());

#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static CONFIG_MAP_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^([a-z0-9][-.a-z0-9]{0,251})?[a-z0-9]$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static PREFIX: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[-._a-zA-Z0-9]{0,200}$").unwrap());

/// How clients find the servers, and which of them may connect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct Clients {
    /// Whether clients that are set up for Sentinel are served: Service `<name>-sentinel` answers their questions on port
    /// 26379. No Sentinel runs; the instances answer. Changes no pod.
    #[serde(default)]
    pub sentinel: bool,
    /// The name of the primary in the settings of those clients, such as `mymaster`; the name of the resource when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(regex(path = *PRIMARY_NAME))]
    pub primary_name: Option<String>,
    /// Whether those clients need the password of the servers. With `Optional`, clients that give none are answered as
    /// well; they learn addresses and offsets.
    #[serde(default = "required")]
    #[schemars(extend("enum" = ["Required", "Optional"]))]
    pub sentinel_password: String,
    /// Which pods and addresses may connect, as the peers of a network policy; only the servers themselves with an
    /// empty list. When absent, there is no network policy and everybody may connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 32))]
    pub allow_from: Option<Vec<NetworkPolicyPeer>>,
}

/// The ConfigMap that connection parameters without secrets are written to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct ParametersTarget {
    /// Name of the ConfigMap. It stays once set.
    #[validate(length(max = 253), regex(path = *CONFIG_MAP_NAME))]
    pub name: String,
    /// What every key starts with, taken as it is. By default `VALKEY_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(regex(path = *PREFIX))]
    pub prefix: Option<String>,
}

fn required() -> String {
    "Required".to_owned()
}
