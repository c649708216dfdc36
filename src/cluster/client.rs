//! The connection to the API server.

use super::proxy;
use kube::{Client, Config};
use std::env;

/// A client whose calls fail immediately when they fail. The library's own retry would repeat a failing
/// write for minutes, invisibly to the per-object backoff that is meant to handle it.
pub fn connect(mut config: Config) -> Result<Client, kube::Error> {
    config.default_retry = false;
    let no_proxy = ["NO_PROXY", "no_proxy"].iter().find_map(|name| env::var(name).ok()).unwrap_or_default();
    match proxy::of(&config, &no_proxy) {
        Some(proxy) if proxy::is_usable(&proxy) => {
            tracing::info!(host = proxy.uri().host(), "connecting to the Kubernetes API through a proxy");
            proxy::client(config, &proxy)
        }
        // The library distinguishes the kinds of proxies.
        Some(_) => Client::try_from(config),
        None => {
            config.proxy_url = None;
            Client::try_from(config)
        }
    }
}
