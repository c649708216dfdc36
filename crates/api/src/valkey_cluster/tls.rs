//! TLS between clients and servers, and among servers.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use validator::Validate;

#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static SECRET_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^([a-z0-9][-.a-z0-9]{0,251})?[a-z0-9]$").unwrap());

/// What clients that show no certificate get.
const OFF: &str = "Off";

/// TLS between clients and servers, and among servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ClusterTls {
    /// Secret with the certificate of the servers: `tls.crt`, `tls.key` and `ca.crt`, as cert-manager writes them. When
    /// absent, the operator issues and renews one from an authority of the cluster's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 253), regex(path = *SECRET_NAME))]
    pub secret_name: Option<String>,
    /// Whether clients need a certificate of the same authority. With `Optional`, one that is shown has to be valid.
    /// `Optional` and `Required` need `secretName`.
    #[serde(default = "off")]
    #[schemars(extend("enum" = ["Off", "Optional", "Required"]))]
    pub client_auth: String,
    /// Whether port 6379 accepts connections without TLS as well, for as long as clients move to port 6380. Needed while
    /// TLS is added to a cluster that exists.
    #[serde(default)]
    pub plaintext: bool,
}

impl ClusterTls {
    /// Whether clients are asked for a certificate.
    pub fn asks_clients(&self) -> bool {
        self.client_auth != OFF
    }
}

fn off() -> String {
    OFF.to_owned()
}
