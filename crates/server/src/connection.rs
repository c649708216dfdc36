//! One connection to a server: a command out, its answer in.
//!
//! Guarantees: after an error that leaves it open which answer belongs to which command, every further call
//! fails, so that no answer is ever assigned to the wrong command.

use crate::{
    error::Error,
    resp::{self, Value},
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

/// Where a server listens.
#[derive(Clone)]
pub enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String, u16),
    /// Host and port, with TLS.
    Tls {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The name that its certificate has to be for.
        name: String,
        /// What is trusted, and what is shown.
        config: Arc<ClientConfig>,
    },
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Tcp(host, port) => write!(formatter, "{host}:{port}"),
            Self::Tls { host, port, .. } => write!(formatter, "{host}:{port} (TLS)"),
        }
    }
}

/// A user of a server and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name; empty for the default one, also of servers that know no others.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The bytes of a connection, whatever carries them.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An open connection.
pub struct Connection {
    stream: Box<dyn Stream>,
    received: Vec<u8>,
    patience: Duration,
    usable: bool,
}

impl Connection {
    /// Connects and authenticates; `patience` is the longest wait, here and for every later answer.
    pub async fn open(
        endpoint: &Endpoint,
        credentials: Option<&Credentials>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let connecting = tokio::time::timeout(patience, connect(endpoint)).await;
        let stream = connecting.map_err(|_| Error::TimedOut("connect".to_owned()))??;
        let mut connection = Self { stream, received: Vec::new(), patience, usable: true };
        match credentials {
            Some(Credentials { user, password }) if user.is_empty() => {
                connection.call(&["AUTH", password]).await?;
            }
            Some(Credentials { user, password }) => {
                connection.call(&["AUTH", user, password]).await?;
            }
            None => {}
        }
        Ok(connection)
    }

    /// Sends a command and waits for its answer.
    pub async fn call(&mut self, words: &[&str]) -> Result<Value, Error> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.call_within(&words, self.patience).await
    }

    /// Sends a command of any bytes and waits for its answer, at most for `patience`.
    pub async fn call_within(&mut self, words: &[&[u8]], patience: Duration) -> Result<Value, Error> {
        let name = String::from_utf8_lossy(words.first().copied().unwrap_or_default()).into_owned();
        if !self.usable {
            return Err(Error::Unreachable(io::ErrorKind::NotConnected.into()));
        }
        // Also if this future is dropped before there is an answer.
        self.usable = false;
        let exchange = self.exchange(&name, words);
        let answer = match tokio::time::timeout(patience, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut(name)),
        };
        self.usable = answer.as_ref().err().is_none_or(Error::leaves_connection_usable);
        answer
    }

    /// Whether another call can succeed.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// The bytes of this connection, for a command whose answer is no value; none while an answer is outstanding.
    pub fn into_stream(self) -> Option<Box<dyn Stream>> {
        (self.usable && self.received.is_empty()).then_some(self.stream)
    }

    async fn exchange(&mut self, name: &str, words: &[&[u8]]) -> Result<Value, Error> {
        self.stream.write_all(&resp::encode_command(words)).await?;
        self.stream.flush().await?;
        loop {
            let decoded = resp::decode(&self.received).map_err(|malformed| Error::Malformed {
                command: name.to_owned(),
                reason: malformed.to_string(),
            })?;
            if let Some((value, length)) = decoded {
                self.received.drain(..length);
                return match value {
                    Value::Error(answer) => Err(Error::Refused { command: name.to_owned(), answer }),
                    value => Ok(value),
                };
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(Error::Unreachable(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

async fn connect(endpoint: &Endpoint) -> io::Result<Box<dyn Stream>> {
    match endpoint {
        Endpoint::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        Endpoint::Tcp(host, port) => Ok(Box::new(tcp(host, *port).await?)),
        Endpoint::Tls { host, port, name, config } => {
            let name = ServerName::try_from(name.clone()).map_err(io::Error::other)?;
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
            Ok(Box::new(connector.connect(name, tcp(host, *port).await?).await?))
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
