//! TLS for the metrics. The certificate is read again for every connection: clients connect a few times a minute, and
//! a renewed certificate needs no restart.

use axum::serve::Listener;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Longest time that a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections that may wait to be served.
const WAITING: usize = 16;

/// Returns connections after their handshake; a slow handshake delays no other connection.
pub(super) struct TlsListener {
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    pub(super) fn start(mut listener: TcpListener, certificate: PathBuf, key: PathBuf) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, connections) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = sender.closed() => return,
                    (stream, peer) = Listener::accept(&mut listener) => {
                        let (sender, files) = (sender.clone(), (certificate.clone(), key.clone()));
                        tokio::spawn(async move {
                            match shake_hands(stream, &files.0, &files.1).await {
                                Ok(stream) => drop(sender.send((stream, peer)).await),
                                Err(error) => tracing::debug!(%error, "TLS handshake failed"),
                            }
                        });
                    }
                }
            }
        });
        Ok(Self { connections, address })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

async fn shake_hands(stream: TcpStream, certificate: &Path, key: &Path) -> io::Result<TlsStream<TcpStream>> {
    let acceptor = acceptor(certificate, key)?;
    tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await?
}

/// Reads the files; fails when they do not belong together.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> io::Result<TlsAcceptor> {
    let unusable = |path: &Path, error: &dyn std::fmt::Display| {
        io::Error::other(format!("cannot use {}: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| unusable(certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
