//! What the settings say about TLS of the server.

use crate::settings::TlsFiles;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// How a variable begins that the environment does not have.
const UNKNOWN: &str = "$(";

/// Whether clients need a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ClientAuth {
    /// They are not asked for one.
    Off,
    /// One that they show has to be valid.
    #[default]
    Optional,
    /// They need one.
    Required,
}

impl ClientAuth {
    /// As the server calls it.
    pub(crate) fn directive(self) -> &'static str {
        match self {
            Self::Off => "no",
            Self::Optional => "optional",
            Self::Required => "yes",
        }
    }
}

/// TLS between clients and servers, and among servers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerTls {
    /// The chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The authorities that sign the certificates of other servers and of clients.
    pub authority: PathBuf,
    /// Changes with the other files; one of a directory that changes as a whole.
    #[serde(default)]
    pub revision: Option<PathBuf>,
    /// When the certificate expires, in seconds since the epoch.
    #[serde(default)]
    pub expires: Option<PathBuf>,
    /// The port with TLS; by default the port of the server, which has no other then.
    #[serde(default)]
    pub port: Option<u16>,
    /// Whether the port of the server takes connections without TLS as well.
    #[serde(default)]
    pub plaintext: bool,
    /// Whether clients need a certificate.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// A name that the certificate of every server is for; by default their hosts.
    #[serde(default)]
    pub name: Option<String>,
}

impl ServerTls {
    /// Whether this pod has the files: one that was created before TLS was asked for goes on without.
    pub(crate) fn is_mounted(&self) -> bool {
        !self.certificate.to_string_lossy().starts_with(UNKNOWN)
    }

    /// The files.
    pub(crate) fn files(&self) -> TlsFiles {
        let [certificate, key, authority] = [&self.certificate, &self.key, &self.authority].map(Clone::clone);
        TlsFiles { certificate, key, authority }
    }

    /// The port with TLS, and the one without; 0 for none.
    pub(crate) fn ports(&self, server: u16) -> (u16, u16) {
        match self.port {
            Some(port) if port != server => (port, if self.plaintext { server } else { 0 }),
            _ => (server, 0),
        }
    }

    /// What stands for the files as they are; nothing where nothing does.
    pub(crate) fn revision(&self) -> Option<String> {
        self.revision.as_deref().and_then(line)
    }

    /// When the certificate expires, in seconds since the epoch.
    pub(crate) fn expires(&self) -> Option<i64> {
        line(self.expires.as_deref()?)?.parse().ok()
    }
}

fn line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
