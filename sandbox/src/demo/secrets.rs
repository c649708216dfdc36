//! The connection Secrets: whether they exist and match the provider. No value is ever printed, not even in the
//! description of a difference.

use super::manifests::{Example, NAMESPACE};
use super::screen::Screen;
use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::Value;
use valkeeper_testbed::provider::ProviderHandle;

/// The parts of a connection, as the provider names them.
const PARTS: [&str; 5] = ["host", "port", "user", "password", "ssl"];

/// A Secret whose values were compared with the provider's.
pub(crate) struct Checked {
    name: String,
    keys: Vec<(String, usize)>,
}

/// Reads the Secret of an example and compares each value with that of the provider.
pub(crate) async fn check(
    client: &Client,
    provider: &ProviderHandle,
    example: &Example,
) -> anyhow::Result<Checked> {
    let api: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let name = example.secret.as_str();
    let secret = api.get_opt(name).await?.with_context(|| format!("there is no Secret {name}"))?;
    let service = provider
        .service(&example.project, &example.name)
        .with_context(|| format!("the provider has no service {}", example.name))?;
    let data = secret.data.unwrap_or_default();
    for part in PARTS {
        let key = format!("{}{}", example.prefix, part.to_uppercase());
        let stored = data.get(&key).with_context(|| format!("Secret {name} has no key {key}"))?;
        let expected = match &service["service_uri_params"][part] {
            Value::String(text) => text.as_bytes(),
            _ => anyhow::bail!("the provider does not know the {part} of {}", example.name),
        };
        ensure!(stored.0 == expected, "{key} in Secret {name} is not what the provider says");
    }
    let keys = data.into_iter().map(|(key, value)| (key, value.0.len())).collect();
    Ok(Checked { name: name.to_owned(), keys })
}

impl Checked {
    /// Prints the keys.
    pub(crate) fn show(&self, screen: &Screen) {
        screen.line(&format!("  {}", self.name));
        for (key, length) in &self.keys {
            screen.line(&format!("    {key:28} ********  {length} bytes"));
        }
    }
}
