//! From a service's connection to the content of its Secret: exactly five keys under the prefix, and
//! never with an empty or hidden value.

use super::{desired::SecretTarget, observed::Connection, user_config::HIDDEN};
use secrecy::{ExposeSecret, SecretString};
use std::{collections::BTreeMap, fmt};

/// Everything of ours in a connection Secret.
#[derive(Clone)]
pub struct SecretContent {
    /// Name of the Secret.
    pub name: String,
    /// Labels that are ours.
    pub labels: BTreeMap<String, String>,
    /// Annotations that are ours.
    pub annotations: BTreeMap<String, String>,
    /// Values, not yet encoded.
    pub data: BTreeMap<String, SecretString>,
}

impl fmt::Debug for SecretContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.data.keys().collect();
        formatter
            .debug_struct("SecretContent")
            .field("name", &self.name)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection from the provider's parameters; none unless all five have a real value.
    pub fn from_parameters<'a>(parameter: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let real = |name: &str| {
            parameter(name).filter(|value| !value.is_empty() && *value != HIDDEN).map(str::to_owned)
        };
        Some(Self {
            host: real("host")?,
            port: real("port")?,
            user: real("user")?,
            password: SecretString::from(real("password")?),
            ssl: real("ssl")?,
        })
    }
}

/// The content that the target asks for.
pub fn content(target: &SecretTarget, connection: &Connection) -> SecretContent {
    let values = [
        ("HOST", connection.host.as_str()),
        ("PORT", connection.port.as_str()),
        ("USER", connection.user.as_str()),
        ("PASSWORD", connection.password.expose_secret()),
        ("SSL", connection.ssl.as_str()),
    ];
    SecretContent {
        name: target.name.clone(),
        labels: target.labels.clone(),
        annotations: target.annotations.clone(),
        data: values
            .into_iter()
            .map(|(key, value)| (format!("{}{key}", target.prefix), SecretString::from(value)))
            .collect(),
    }
}
