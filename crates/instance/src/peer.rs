//! Connections to the servers and managers of other instances, with a password that they take.

use crate::instance::Instance;
use std::{io, sync::Arc, time::Duration};
use valkeeper_server::{Connection, Credentials, Endpoint, Error, ErrorClass};

/// Connects to this port of another instance, and authenticates. While passwords change, the other one may know a part of
/// them only.
pub(crate) async fn connect(
    instance: &Instance,
    host: &str,
    port: u16,
    patience: Duration,
) -> Result<Connection, Error> {
    let endpoint = endpoint(instance, host, port)?;
    let passwords =
        instance.settings.passwords().map_err(|error| Error::Unreachable(io::Error::other(error)))?;
    if passwords.is_empty() {
        return Connection::open(&endpoint, None, patience).await;
    }
    let mut denied = Error::Unreachable(io::ErrorKind::PermissionDenied.into());
    for password in passwords {
        let credentials = Credentials { user: "default".to_owned(), password };
        match Connection::open(&endpoint, Some(&credentials), patience).await {
            Err(error) if error.class() == ErrorClass::Denied => denied = error,
            other => return other,
        }
    }
    Err(denied)
}

fn endpoint(instance: &Instance, host: &str, port: u16) -> Result<Endpoint, Error> {
    let host = host.to_owned();
    Ok(match &instance.settings.server.tls {
        None => Endpoint::Tcp(host, port),
        Some(files) => {
            let config = crate::tls::client_config(files).map_err(Error::Unreachable)?;
            Endpoint::Tls(host, port, Arc::new(config))
        }
    })
}
