//! Places a dump where a server finds it at its first start: as its snapshot, or as the base of an append-only file, which
//! is the only thing that a server with `appendonly yes` reads.
//!
//! Guarantees: a folder that has data is refused; a crash leaves nothing that a server would load; data that another kind of
//! persistence has left is used or refused, and never silently left out.

use crate::{
    error::BackupError,
    rdb::{Summary, summarize},
};
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
    write_list(folder).map_err(failed)
}

/// Without the list, a server takes no notice of the base.
fn write_list(folder: &Path) -> io::Result<()> {
    let inner = folder.join(FOLDER);
    let new = inner.join("new");
    let mut file = File::create(&new)?;
    let line = format!("file {BASE} seq 1 type b\n");
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all())?;
    fs::rename(&new, inner.join(LIST))?;
    sync(&inner).and_then(|()| sync(folder))
}

/// What a snapshot says that a server with an append-only file would leave out; [`convert`] has it find that. A server that
/// writes snapshots would leave out an append-only file: that is an error, unless its own snapshot is newer.
pub fn left_out(folder: &Path, append_only: bool) -> Result<Option<Summary>, BackupError> {
    let failed = |error| BackupError::Io("use the data", error);
    let (snapshot, list) = (folder.join(SNAPSHOT), folder.join(FOLDER).join(LIST));
    if append_only {
        if list.exists() || !snapshot.exists() {
            return Ok(None);
        }
        let mut reader = io::BufReader::new(File::open(&snapshot).map_err(failed)?);
        return summarize(&mut reader).map(Some).map_err(failed);
    }
    if list.exists() && !is_newer(&snapshot, &folder.join(FOLDER)).map_err(failed)? {
        let text = "the volume has an append-only file, which a server does not read that writes snapshots";
        return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, text)));
    }
    Ok(None)
}

/// Whether a snapshot was written after everything in this folder.
fn is_newer(snapshot: &Path, folder: &Path) -> io::Result<bool> {
    if !snapshot.exists() {
        return Ok(false);
    }
    let written = fs::metadata(snapshot)?.modified()?;
    let mut files = fs::read_dir(folder)?;
    files.try_fold(true, |newer, file| Ok(newer && file?.metadata()?.modified()? < written))
}

/// Has a snapshot become the base of an append-only file. It goes after the list is there: a crash before that leaves what
/// was there.
pub fn convert(folder: &Path) -> Result<(), BackupError> {
    become_base(folder, &folder.join(SNAPSHOT)).map_err(|error| BackupError::Io("place the data", error))
}

fn become_base(folder: &Path, snapshot: &Path) -> io::Result<()> {
    let inner = folder.join(FOLDER);
    fs::create_dir_all(&inner)?;
    let base = inner.join(BASE);
    match fs::remove_file(&base) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Not every file system has links.
    fs::hard_link(snapshot, &base).or_else(|_| fs::copy(snapshot, &base).map(drop))?;
    File::open(&base)?.sync_all()?;
    write_list(folder)?;
    fs::remove_file(snapshot)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_becomes_the_base_of_an_append_only_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, at) = (folder.path(), |name: &str| folder.path().join(name));
        assert!(left_out(path, true).unwrap().is_none() && left_out(path, false).unwrap().is_none());
        fs::write(at(SNAPSHOT), "REDIS0011\u{fa}").unwrap();
        assert!(left_out(path, false).unwrap().is_none());
        assert!(left_out(path, true).unwrap().is_some());
        // What a crash in the middle has left is replaced.
        fs::create_dir(at(FOLDER)).unwrap();
        fs::write(at(FOLDER).join(BASE), "part").unwrap();
        convert(path).unwrap();
        assert!(!at(SNAPSHOT).exists() && left_out(path, true).unwrap().is_none());
        assert!(fs::read_to_string(at(FOLDER).join(BASE)).unwrap().starts_with("REDIS0011"));
        assert!(fs::read_to_string(at(FOLDER).join(LIST)).unwrap().contains(BASE));
        let refused = left_out(path, false).unwrap_err();
        assert!(refused.to_string().contains("append-only file"), "{refused}");
        // A snapshot that was written since is what counts.
        let snapshot = File::create(at(SNAPSHOT)).unwrap();
        snapshot.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(9)).unwrap();
        assert!(left_out(path, false).unwrap().is_none());
    }
}
