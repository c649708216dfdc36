//! Files of uploads into a folder that were never ended: `object_store` writes them beside their destination, with a number,
//! and lists no such file.

use crate::error::BackupError;
use std::{fs, io, path::Path};

/// Removes all of a folder; answers how many there were.
pub(crate) fn remove(folder: &Path) -> Result<usize, BackupError> {
    let failed = |error| BackupError::Io("remove files of uploads that were cut off", error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(failed)?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_str().is_some_and(is_staged) {
            fs::remove_file(entry.path()).map_err(failed)?;
            removed += 1;
        }
    }
    // Of a backup of which nothing else is left.
    let _ = fs::remove_dir(folder);
    Ok(removed)
}

fn is_staged(name: &str) -> bool {
    let number = name.rsplit_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_uploads_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["dump-1.rdb.zst", "dump-1.rdb.zst#1", "dump-2.rdb.zst#27", "manifest.json", "a#b"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(remove(folder.path()).unwrap(), 2);
        let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["a#b", "dump-1.rdb.zst", "manifest.json"]);
        assert_eq!(remove(&folder.path().join("none")).unwrap(), 0);
    }
}
