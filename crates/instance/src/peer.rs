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

/// With TLS, unless that port is without.
fn endpoint(instance: &Instance, host: &str, port: u16) -> Result<Endpoint, Error> {
    let (server, host) = (&instance.settings.server, host.to_owned());
    match &server.tls {
        Some(tls) if tls.port.is_none() || port != server.port => {
            let config = crate::tls::client_config(&tls.files()).map_err(Error::Unreachable)?;
            // Certificates are for Services: no address of a pod is in them.
            let name = tls.name.clone().unwrap_or_else(|| host.clone());
            Ok(Endpoint::Tls { host, port, name, config: Arc::new(config) })
        }
        _ => Ok(Endpoint::Tcp(host, port)),
    }
}
