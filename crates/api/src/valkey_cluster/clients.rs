//! How clients find the servers, and which of them may connect.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use validator::Validate;

#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static PRIMARY_NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[A-Za-z0-9._-]{1,64}$").unwrap());

/// How clients find the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
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
}

fn required() -> String {
    "Required".to_owned()
}
