//! Free space of the volume with the data: what is written beside the data leaves the server what it needs itself.
//!
//! Left to others: what happens when the volume is full all the same, because the server has written more meanwhile.

use std::{io, path::Path};

/// Bytes that can still be written below this folder.
pub(crate) fn free(folder: &Path) -> io::Result<u64> {
    let volume = rustix::fs::statvfs(folder)?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}

/// Refuses to write so many bytes when fewer would stay free than the server is left as `reserve`.
pub(crate) fn check(free: u64, bytes: u64, reserve: u64) -> Result<(), String> {
    let needed = bytes.saturating_add(reserve);
    if needed <= free {
        return Ok(());
    }
    let left = if reserve > 0 { format!(", and {reserve} are left to the server") } else { String::new() };
    Err(format!("the data has {bytes} bytes{left}, and the volume has {free} free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_leaves_the_reserve_free() {
        assert_eq!(check(30, 20, 10), Ok(()));
        assert_eq!(check(20, 20, 0), Ok(()));
        let error = check(29, 20, 10).unwrap_err();
        assert_eq!(error, "the data has 20 bytes, and 10 are left to the server, and the volume has 29 free");
        assert!(check(19, 20, 0).is_err());
        assert!(check(u64::MAX - 1, u64::MAX, 1).is_err());
    }

    #[test]
    fn free_space_of_a_folder_is_read() {
        assert!(free(Path::new("/proc/self")).is_ok());
        assert!(free(Path::new("/nowhere/at/all")).is_err());
    }
}
