//! A place for backups that can be used: the client of a bucket, or a folder.
//!
//! Guarantees: credentials are in no `Debug` and no error; a destination that is described wrongly is refused before
//! anything is sent, by the name of the field.

use crate::{
    clients,
    destination::{Credentials, Destination},
    error::BackupError,
    seal::EncryptionKey,
    uploads::Uploads,
};
use object_store::{ObjectStore, local::LocalFileSystem, path::Path};
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
    /// Opens a destination; makes no request.
    pub fn open(destination: &Destination, credentials: Option<&Credentials>) -> Result<Self, BackupError> {
        let key = credentials.and_then(|credentials| credentials.encryption_key.as_ref());
        let key = key.map(EncryptionKey::parse).transpose()?;
        let required = || credentials.ok_or_else(|| clients::missing("credentials"));
        let (prefix, (objects, uploads)) = match destination {
            Destination::Folder(folder) => {
                let wrong = |error: object_store::Error| clients::described("folder", &error);
                std::fs::create_dir_all(folder)
                    .map_err(|error| BackupError::Io("create the folder", error))?;
                let objects = LocalFileSystem::new_with_prefix(folder).map_err(wrong)?;
                let objects: Arc<dyn ObjectStore> = Arc::new(objects.with_fsync(true));
                ("", (objects, None))
            }
            Destination::S3(s3) => (s3.prefix.as_str(), clients::s3(s3, required()?)?),
            Destination::Gcs(gcs) => (gcs.prefix.as_str(), clients::gcs(gcs, required()?)?),
            Destination::Azure(azure) => (azure.prefix.as_str(), clients::azure(azure, required()?)?),
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
