//! Connections to the servers and managers of other instances, as the user who asks how they are.

use crate::{access::MONITOR, instance::Instance};
use std::{io, sync::Arc, time::Duration};
use valkeeper_server::{Connection, Credentials, Endpoint, Error};

/// Connects to this port of another instance, and authenticates.
pub(crate) async fn connect(
    instance: &Instance,
    host: &str,
    port: u16,
    patience: Duration,
) -> Result<Connection, Error> {
    let endpoint = endpoint(instance, host, port)?;
    let access = instance.settings.access().map_err(|error| Error::Unreachable(io::Error::other(error)))?;
    let credentials = access.map(|access| Credentials { user: MONITOR.to_owned(), password: access.servers });
    Connection::open(&endpoint, credentials.as_ref(), patience).await
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
