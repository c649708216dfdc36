//! Reads what is stored: manifests, and the data of one backup into a file.
//!
//! Guarantees: a file has its name only when all of it was read and has the size and the checksum of the manifest; memory
//! is bounded whatever the size.

use crate::{
    check::Checks,
    error::{BackupError, ErrorClass},
    manifest::{MANIFEST, Manifest},
    pipe::{ChannelReader, Piece},
    seal::{Chunks, Opener},
    store::Store,
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStoreExt as _, path::Path};
use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path as FilePath, PathBuf},
};
use tokio::sync::mpsc;

/// Pieces of the stored data that may wait.
const WAITING: usize = 8;
/// What stores call a bucket that does not exist.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];
/// Larger than any manifest.
const LONGEST_MANIFEST: u64 = 1 << 20;

/// A backup that a store lists.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Store {
    /// The manifest of the backup with this key; none if it has none, and so is no backup.
    pub async fn manifest(&self, key: &str) -> Result<Option<Manifest>, BackupError> {
        let failed = |error: object_store::Error| BackupError::store("read the manifest", &error);
        let found = match self.objects.get(&self.path(key, MANIFEST)?).await {
            // A bucket that does not exist is another thing than an object that does not.
            Err(object_store::Error::NotFound { source, .. })
                if !NO_BUCKET.iter().any(|code| source.to_string().contains(code)) =>
            {
                return Ok(None);
            }
            found => found.map_err(failed)?,
        };
        if found.meta.size > LONGEST_MANIFEST {
            return Err(BackupError::Damaged("its manifest is too long".to_owned()));
        }
        Manifest::parse(&found.bytes().await.map_err(failed)?).map(Some)
    }

    /// Every backup whose key begins with these parts, in the order of the keys.
    pub async fn list(&self, beginning: &str) -> Result<Vec<Listed>, BackupError> {
        let failed = |error: object_store::Error| BackupError::store("list backups", &error);
        let below = self.path(beginning, "")?;
        let objects: Vec<_> = self.objects.list(Some(&below)).try_collect().await.map_err(failed)?;
        let root = self.path("", "")?.parts().count();
        let mut listed = Vec::new();
        for object in objects.iter().filter(|object| object.location.filename() == Some(MANIFEST)) {
            let parts: Vec<_> = object.location.parts().skip(root).collect();
            let key: Path = parts[..parts.len().saturating_sub(1)].iter().cloned().collect();
            let key = key.to_string();
            if let Some(manifest) = self.manifest(&key).await? {
                listed.push(Listed { key, manifest });
            }
        }
        listed.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(listed)
    }

    /// Deletes a backup: its manifest first, then everything below its key, uploads in parts included.
    pub async fn delete(&self, key: &str) -> Result<(), BackupError> {
        let failed = |error: object_store::Error| BackupError::store("delete the backup", &error);
        let gone = |result: object_store::Result<()>| match result {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            result => result.map_err(failed),
        };
        gone(self.objects.delete(&self.path(key, MANIFEST)?).await)?;
        let below = self.path(key, "")?;
        let objects: Vec<_> = self.objects.list(Some(&below)).try_collect().await.map_err(failed)?;
        for object in objects {
            gone(self.objects.delete(&object.location).await)?;
        }
        match self.abort_uploads(key).await {
            // A user who may delete objects may not be allowed to list uploads, and not every store has them.
            Err(error) if error.class() != ErrorClass::Transient => {
                tracing::warn!(%error, key, "uploads of a deleted backup were not aborted");
                Ok(())
            }
            aborted => aborted.map(drop),
        }
    }

    /// Refuses a backup that is not encrypted where the destination has a key: whoever writes the bucket could have put it
    /// there.
    pub(crate) fn check_encryption(&self, manifest: &Manifest) -> Result<(), BackupError> {
        if self.key.is_some() && manifest.encryption.is_none() {
            let reason = "it is not encrypted, and the destination names an encryption key";
            return Err(BackupError::Damaged(reason.to_owned()));
        }
        Ok(())
    }

    /// Writes the data of a backup to this file.
    pub async fn fetch(&self, key: &str, manifest: &Manifest, file: &FilePath) -> Result<(), BackupError> {
        let failed = |error: object_store::Error| BackupError::store("read the data", &error);
        self.check_encryption(manifest)?;
        // A wrong key is refused before anything is read.
        let chunks = match (&manifest.encryption, &self.key) {
            (None, _) => None,
            (Some(encryption), Some(key)) => Some(key.open(encryption)?),
            (Some(_), None) => return Err(BackupError::Key("is missing: the backup is encrypted")),
        };
        let found = self.objects.get(&self.path(key, &manifest.object)?).await.map_err(failed)?;
        if found.meta.size != manifest.stored_bytes {
            let reason = format!("{} bytes are stored instead of {}", found.meta.size, manifest.stored_bytes);
            return Err(BackupError::Damaged(reason));
        }
        let (to_thread, pieces) = mpsc::channel(WAITING);
        let (manifest, file) = (manifest.clone(), file.to_owned());
        let writing = tokio::task::spawn_blocking(move || write((pieces, chunks), &manifest, &file));
        let pumped = pump(found.into_stream(), to_thread).await.map_err(failed);
        let written = writing.await.map_err(io::Error::other);
        pumped?;
        written.map_err(|error| BackupError::Io("write the data", error))?
    }
}

/// Ends quietly when nobody takes what it sends: who stopped says why.
async fn pump(
    mut stream: impl Stream<Item = object_store::Result<Bytes>> + Unpin,
    to_thread: mpsc::Sender<Piece>,
) -> object_store::Result<()> {
    while let Some(data) = stream.next().await {
        if to_thread.send(Piece::Data(data?.into())).await.is_err() {
            return Ok(());
        }
    }
    let _ = to_thread.send(Piece::End).await;
    Ok(())
}

/// Removes what was written unless it is kept.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

fn write(
    (pieces, chunks): (mpsc::Receiver<Piece>, Option<Chunks>),
    manifest: &Manifest,
    path: &FilePath,
) -> Result<(), BackupError> {
    let failed = |error| BackupError::Io("write the data", error);
    let new = path.with_extension("part");
    let mut file = File::create(&new).map_err(failed)?;
    let mut unfinished = Unfinished(Some(new.clone()));
    let damaged = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::BrokenPipe => {
            failed(error)
        }
        _ => BackupError::Damaged(format!("cannot unpack it: {error}")),
    };
    let mut decoder = zstd::Decoder::new(Opener::new(ChannelReader::new(pieces), chunks)).map_err(failed)?;
    let (mut checks, mut buffer) = (Checks::new(), vec![0; 128 * 1024]);
    loop {
        let read = decoder.read(&mut buffer).map_err(damaged)?;
        if read == 0 {
            break;
        }
        checks.update(&buffer[..read]);
        // A few bytes can decompress to any number of them.
        if checks.bytes > manifest.bytes {
            return Err(BackupError::Damaged(format!("it is longer than {} bytes", manifest.bytes)));
        }
        file.write_all(&buffer[..read]).map_err(failed)?;
    }
    let checked = checks.finish();
    if checked.bytes != manifest.bytes {
        let reason = format!("it has {} bytes instead of {}", checked.bytes, manifest.bytes);
        return Err(BackupError::Damaged(reason));
    }
    if checked.sha256 != manifest.sha256 {
        let reason = format!("its SHA-256 is {} instead of {}", checked.sha256, manifest.sha256);
        return Err(BackupError::Damaged(reason));
    }
    file.sync_all().map_err(failed)?;
    fs::rename(&new, path).map_err(failed)?;
    unfinished.0 = None;
    Ok(())
}
