//! TLS to the source: what it is trusted by, and what it is shown.
//!
//! Guarantees: a private key is in the memory of the pod only, and ends with the import.

use super::error::ImportError;
use crate::settings::{Settings, TlsFiles};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use std::{
    fs::{OpenOptions, create_dir_all, remove_dir_all},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Where the files are, in the memory of the pod.
const FOLDER: &str = "import-tls";

/// Removes what an import has left that was ended in the middle.
pub(crate) fn remove_leftovers(settings: &Settings) {
    let _ = remove_dir_all(settings.runtime_dir.join(FOLDER));
}

/// How a source with TLS is trusted. It has no `Debug`: it holds a private key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceTls {
    /// The authority of its certificate, in PEM.
    pub authority: String,
    /// What it is shown, if it asks for a certificate.
    #[serde(default)]
    pub certificate: Option<ClientCertificate>,
    /// The name that its certificate is for, if that is not the host.
    #[serde(default)]
    pub server_name: Option<String>,
}

/// A certificate and its key, in PEM. It has no `Debug`: it holds a private key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// The chain.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// The files of a connection with TLS, which are removed in the end.
pub(super) struct SourceFiles {
    pub(super) files: TlsFiles,
    _folder: Folder,
}

struct Folder(PathBuf);

impl SourceFiles {
    /// Writes them. A server shows a certificate of its own also where none is asked for: without another one, that of the
    /// pod.
    pub(super) fn write(settings: &Settings, tls: &SourceTls) -> Result<Self, ImportError> {
        let failed = |error| ImportError::Local("write the certificates of the source", error);
        let folder = settings.runtime_dir.join(FOLDER);
        // Whatever fails from here on removes it.
        let folder = Folder(folder);
        create_dir_all(&folder.0).map_err(failed)?;
        let file = |name: &str| folder.0.join(name);
        let mut files = match (&tls.certificate, &settings.control.tls) {
            (None, Some(own)) => own.clone(),
            (None, None) => {
                return Err(ImportError::Unsuitable(
                    "TLS to the source needs a client certificate".to_owned(),
                ));
            }
            (Some(pair), _) => {
                write(&file("tls.crt"), &pair.certificate).map_err(failed)?;
                write(&file("tls.key"), &pair.key).map_err(failed)?;
                TlsFiles { certificate: file("tls.crt"), key: file("tls.key"), authority: PathBuf::new() }
            }
        };
        files.authority = file("ca.crt");
        write(&files.authority, &tls.authority).map_err(failed)?;
        Ok(Self { files, _folder: folder })
    }

    /// For connections of the manager.
    pub(super) fn client_config(&self) -> Result<ClientConfig, ImportError> {
        crate::tls::client_config(&self.files)
            .map_err(|error| ImportError::Local("use the certificates of the source", error))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = remove_dir_all(&self.0);
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_key_is_in_no_error_and_in_no_file_afterward() {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "{{name: a, pod: u, dataDir: /data, runtimeDir: {}, health: '127.0.0.1:1', lease: alone,
              control: {{address: '127.0.0.1:2'}}, server: {{program: valkey-server, host: a}}}}",
            folder.path().display()
        );
        let settings: Settings = serde_yaml::from_str(&settings).unwrap();
        // The lines are joined, as by a value that was quoted twice.
        let key = "-----BEGIN PRIVATE KEY-----\\nMIGHAgEAMBMGByqG\\n-----END PRIVATE KEY-----";
        for (certificate, key) in [("none", key), (key, "none"), (key, "-----BEGIN PRIVATE KEY-----\nMIGH\n")]
        {
            let pair = ClientCertificate { certificate: certificate.to_owned(), key: key.to_owned() };
            let tls = SourceTls { authority: "none".to_owned(), certificate: Some(pair), server_name: None };
            let files = SourceFiles::write(&settings, &tls).unwrap();
            let text = files.client_config().unwrap_err().to_string();
            assert!(text.contains("in PEM") && !text.contains("MIGH") && !text.contains("45, 45"), "{text}");
        }
        assert!(!folder.path().join(FOLDER).exists());
    }
}
