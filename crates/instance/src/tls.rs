//! Mutual TLS for verbs, TLS for peers that only ask for a term, and TLS for clients that ask like those of Sentinel. Certificates are read again for
//! every connection: a renewed one needs no restart.

use crate::settings::{ClientAuth, ServerTls, TlsFiles};
use axum::serve::Listener;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Longest time that a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections that may wait to be served.
const WAITING: usize = 16;

/// What happens to a connection whose client has not proved who it is.
pub(crate) trait UnauthenticatedHandler: Clone + Send + 'static {
    /// Whether there is anything for it; its handshake fails otherwise.
    fn is_open(&self) -> bool;

    /// Serves it.
    fn serve(&self, stream: TlsStream<TcpStream>) -> impl Future<Output = ()> + Send;
}

/// Hands out connections whose client has proved who it is.
pub(crate) struct TlsListener {
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    pub(crate) fn start(
        mut listener: TcpListener,
        files: TlsFiles,
        unauthenticated: impl UnauthenticatedHandler,
    ) -> io::Result<Self> {
        acceptor(&files, false)?;
        let address = listener.local_addr()?;
        let (sender, connections) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            loop {
                let (stream, peer) = Listener::accept(&mut listener).await;
                let (sender, files, unauthenticated) =
                    (sender.clone(), files.clone(), unauthenticated.clone());
                tokio::spawn(async move {
                    match shake_hands(stream, &files, unauthenticated.is_open()).await {
                        Ok(stream) if has_client_certificate(&stream) => {
                            drop(sender.send((stream, peer)).await);
                        }
                        Ok(stream) => unauthenticated.serve(stream).await,
                        Err(error) => tracing::warn!(%error, %peer, "TLS handshake failed"),
                    }
                });
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

/// Whether the client has presented a certificate. One of another authority fails the handshake.
fn has_client_certificate(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.peer_certificates().is_some_and(|certificates| !certificates.is_empty())
}

async fn shake_hands(stream: TcpStream, files: &TlsFiles, is_open: bool) -> io::Result<TlsStream<TcpStream>> {
    let acceptor = acceptor(files, is_open)?;
    tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await?
}

/// A client that is served as the server would serve it.
pub(crate) async fn accept_client(tls: &ServerTls, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let files = tls.files();
    let verifier = WebPkiClientVerifier::builder(Arc::new(authority(&files.authority)?));
    let verifier = match tls.client_auth {
        ClientAuth::Off => None,
        ClientAuth::Optional => Some(verifier.allow_unauthenticated().build()),
        ClientAuth::Required => Some(verifier.build()),
    };
    let verifier = match verifier {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(verifier) => verifier.map_err(|error| unusable(&files.authority, &error))?,
    };
    acceptor_with(&files, verifier)?.accept(stream).await
}

fn acceptor(files: &TlsFiles, is_open: bool) -> io::Result<TlsAcceptor> {
    let verifier = WebPkiClientVerifier::builder(Arc::new(authority(&files.authority)?));
    let verifier = if is_open { verifier.allow_unauthenticated() } else { verifier };
    acceptor_with(files, verifier.build().map_err(|error| unusable(&files.authority, &error))?)
}

fn acceptor_with(files: &TlsFiles, verifier: Arc<dyn ClientCertVerifier>) -> io::Result<TlsAcceptor> {
    let (chain, key) = identity(files)?;
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&files.certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// For connections to the servers and managers of other instances.
pub(crate) fn client_config(files: &TlsFiles) -> io::Result<ClientConfig> {
    let (chain, key) = identity(files)?;
    ClientConfig::builder()
        .with_root_certificates(authority(&files.authority)?)
        .with_client_auth_cert(chain, key)
        .map_err(|error| unusable(&files.certificate, &error))
}

/// Certificate chain and private key.
pub(crate) fn identity(
    files: &TlsFiles,
) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = certificates(&files.certificate)?;
    // The error of a malformed file may have all of it in its text.
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|_| unusable(&files.key, &"there is no private key in PEM"))?;
    Ok((chain, key))
}

fn authority(path: &Path) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unusable(path, &error))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| unusable(path, &"there is no certificate in PEM"))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("cannot use {}: {error}", path.display()))
}
