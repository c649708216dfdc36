//! A place for backups that can be used: the client of a bucket, or a folder.
//!
//! Guarantees: credentials are in no `Debug` and no error; a destination that is described wrongly is refused before
//! anything is sent, by the name of the field.

use crate::{
    clients,
    destination::{Credentials, Destination},
    error::BackupError,
    pod::{self, Environment},
    seal::EncryptionKey,
    uploads::Uploads,
};
use object_store::{ObjectStore, path::Path};
use std::sync::Arc;

/// A place for backups that can be used.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) objects: Arc<dyn ObjectStore>,
    prefix: Path,
    pub(crate) key: Option<EncryptionKey>,
    /// Where uploads in parts stay until they are ended.
    pub(crate) uploads: Option<Uploads>,
}

impl Store {
    /// Opens a destination; makes no request. What only pods may use is refused.
    pub fn open(destination: &Destination, credentials: Option<&Credentials>) -> Result<Self, BackupError> {
        Self::open_with(destination, credentials, None)
    }

    /// Opens a destination in a pod of the cluster, which has this environment.
    pub fn open_in_pod(
        destination: &Destination,
        credentials: Option<&Credentials>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, BackupError> {
        Self::open_with(destination, credentials, Some(environment))
    }

    fn open_with(
        destination: &Destination,
        credentials: Option<&Credentials>,
        environment: Option<Environment<'_>>,
    ) -> Result<Self, BackupError> {
        let key = credentials.and_then(|credentials| credentials.encryption_key.as_ref());
        let key = key.map(EncryptionKey::parse).transpose()?;
        let required = || credentials.ok_or_else(|| clients::missing("credentials"));
        let (prefix, (objects, uploads)) = match destination {
            Destination::Folder(path) => ("", clients::folder(path)?),
            Destination::Volume(volume) => {
                let path = pod::volume(pod::required(environment)?)?;
                (volume.prefix.as_str(), clients::folder(path.as_ref())?)
            }
            Destination::S3(s3) => (s3.prefix.as_str(), clients::s3(s3, required()?, environment)?),
            Destination::Gcs(gcs) => (gcs.prefix.as_str(), clients::gcs(gcs, required()?, environment)?),
            Destination::Azure(azure) => {
                (azure.prefix.as_str(), clients::azure(azure, required()?, environment)?)
            }
        };
        let prefix =
            Path::parse(prefix.trim_matches('/')).map_err(|error| clients::described("prefix", &error))?;
        Ok(Self { objects, prefix, key, uploads })
    }

    /// The name of an object of the backup with this key.
    pub(crate) fn path(&self, key: &str, object: &str) -> Result<Path, BackupError> {
        let below = Path::parse(format!("{}/{object}", key.trim_matches('/')));
        let below = below.map_err(|error| clients::described("key", &error))?;
        Ok(self.prefix.parts().chain(below.parts()).collect())
    }
}

#[cfg(test)]
mod tests;
