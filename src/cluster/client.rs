//! The connection to the API server.

use kube::{Client, Config};

/// A client whose calls fail at once when they fail. The library's own retry would repeat a failing
/// write for minutes, invisibly to the per-object backoff that is meant to handle it.
pub fn connect(mut config: Config) -> Result<Client, kube::Error> {
    config.default_retry = false;
    Client::try_from(config)
}
