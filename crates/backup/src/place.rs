//! Places a dump where a server finds it at its first start: as its snapshot, or as the base of an append-only file, which
//! is the only thing that a server with `appendonly yes` reads.
//!
//! Guarantees: a folder that has data is refused; a crash leaves nothing that a server would load.

use crate::error::BackupError;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// The name of a snapshot.
const SNAPSHOT: &str = "dump.rdb";
/// The folder of an append-only file, and what is in it.
const FOLDER: &str = "appendonlydir";
const BASE: &str = "appendonly.aof.1.base.rdb";
const LIST: &str = "appendonly.aof.manifest";

/// Whether a server finds data in this folder.
pub fn has_data(folder: &Path) -> bool {
    folder.join(SNAPSHOT).exists() || folder.join(FOLDER).join(LIST).exists()
}

/// Moves the dump, which lies in the same file system, to where a server with this folder finds it.
pub fn place(dump: &Path, folder: &Path, append_only: bool) -> Result<(), BackupError> {
    let failed = |error| BackupError::Io("place the data", error);
    if has_data(folder) {
        return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "the folder has data already")));
    }
    if !append_only {
        fs::rename(dump, folder.join(SNAPSHOT)).map_err(failed)?;
        return sync(folder).map_err(failed);
    }
    let inner = folder.join(FOLDER);
    fs::create_dir_all(&inner).map_err(failed)?;
    fs::rename(dump, inner.join(BASE)).map_err(failed)?;
    // Without the list, a server takes no notice of the base.
    let new = inner.join("new");
    let mut file = File::create(&new).map_err(failed)?;
    let line = format!("file {BASE} seq 1 type b\n");
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, inner.join(LIST)).map_err(failed)?;
    sync(&inner).and_then(|()| sync(folder)).map_err(failed)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
