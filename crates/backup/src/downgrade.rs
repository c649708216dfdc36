//! Gives a dump the format of an earlier server, if nothing in it is later than that format.
//!
//! Servers never change how a kind of value is written: a change gets another kind. So a dump whose kinds an earlier server
//! knows differs from one of that server in its header and its checksum only.
//!
//! Guarantees: a dump with anything that the server does not know is refused, and stays as it is.

use crate::{
    check::{Checks, NO_CHECKSUM},
    error::BackupError,
    manifest::RdbVersion,
    rdb,
};
use crc_fast::{CrcAlgorithm, Digest};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// Bytes of the checksum at the end.
const CHECKSUM: u64 = 8;
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// The kind of a value of a module, and of what a module says about all data.
const MODULE: u8 = 7;
const MODULE_FACT: u8 = 0xF7;

/// Rewrites the dump in this file for a server that is a Redis or not, of this version, where that is needed; answers how
/// many keys each database has.
pub fn downgrade(path: &Path, is_redis: bool, version: &str) -> Result<BTreeMap<u32, u64>, BackupError> {
    let failed = |error| BackupError::Io("read the copied data", error);
    let file = File::open(path).map_err(failed)?;
    let mut reader = BufReader::new(Checking { file, checks: Checks::new() });
    let contents = rdb::contents(&mut reader).map_err(failed)?;
    let wanted = RdbVersion::of_server(is_redis, version);
    let is_readable =
        RdbVersion::parse(&contents.header).is_some_and(|found| found.is_read_by(is_redis, version));
    let latest = if is_readable { u8::MAX } else { wanted.latest_kind() };
    let is_unknown = |kind: &&u8| **kind > latest || [MODULE, MODULE_FACT].contains(*kind);
    // What cannot be read is the last of the kinds.
    let refused = contents.kinds.iter().find(is_unknown).or(contents.kinds.last());
    let refused = refused.copied().unwrap_or_default();
    let Some(keys) = contents.keys else { return Err(unknown(&contents.header, refused)) };
    if contents.kinds.iter().any(|kind| is_unknown(&kind)) {
        return Err(unknown(&contents.header, refused));
    }
    check(reader)?;
    if !is_readable {
        rewrite(path, &wanted.header()).map_err(|error| BackupError::Io("rewrite the copied data", error))?;
    }
    Ok(keys)
}

fn unknown(header: &str, kind: u8) -> BackupError {
    let what = match kind {
        MODULE | MODULE_FACT => "values or facts of modules".to_owned(),
        20 => "small sets".to_owned(),
        21 | 26 => "streams".to_owned(),
        22..=25 => "hashes with fields that expire".to_owned(),
        kind => format!("something of kind {kind}"),
    };
    BackupError::Incompatible(format!(
        "the data, in format {header}, has {what}, which this version does not know"
    ))
}

/// A file whose bytes are checked while they are read.
struct Checking {
    file: File,
    checks: Checks,
}

impl io::Read for Checking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.checks.update(&buffer[..read]);
        Ok(read)
    }
}

/// Whether the bytes, with those that were not read yet, are those that the server wrote. One may write no checksum.
fn check(mut reader: BufReader<Checking>) -> Result<(), BackupError> {
    let rest = io::copy(&mut reader, &mut io::sink());
    rest.map_err(|error| BackupError::Io("read the copied data", error))?;
    match reader.into_inner().checks.finish().objection {
        Some(objection) if objection != NO_CHECKSUM => {
            Err(BackupError::Stream(format!("is damaged: the data {objection}")))
        }
        _ => Ok(()),
    }
}

fn rewrite(path: &Path, header: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let end = file.metadata()?.len().saturating_sub(CHECKSUM);
    file.write_all(header.as_bytes())?;
    file.rewind()?;
    let mut checksum = Digest::new(CrcAlgorithm::Crc64Redis);
    let mut reader = (&mut file).take(end);
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece)? {
            0 => break,
            read => checksum.update(&piece[..read]),
        }
    }
    file.seek(SeekFrom::Start(end))?;
    file.write_all(&checksum.finalize().to_le_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dump of this format with one key of this kind, whose value is a text.
    fn dump(header: &str, kind: u8) -> tempfile::NamedTempFile {
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend([0xFE, 0, kind, 1, b'k', 1, b'v', 0xFF]);
        let mut checksum = Digest::new(CrcAlgorithm::Crc64Redis);
        checksum.update(&bytes);
        bytes.extend(checksum.finalize().to_le_bytes());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn dump_gets_the_format_of_a_server_that_knows_its_values() {
        for (header, kind, is_redis, version, expected) in [
            ("REDIS0012", 0, false, "8.1", Some("REDIS0011")),
            ("REDIS0012", 20, false, "8.1", Some("REDIS0011")),
            ("VALKEY080", 0, false, "8.1", Some("REDIS0011")),
            ("REDIS0011", 17, true, "7.0.15", Some("REDIS0010")),
            // It is read as it is.
            ("REDIS0010", 0, false, "8.1", Some("REDIS0010")),
            ("VALKEY080", 0, false, "9.0", Some("VALKEY080")),
            ("REDIS0011", 7, false, "8.1", None),
            // A set in a form that Redis 7.0 does not know, and a hash of Redis 7.4.
            ("REDIS0011", 20, true, "7.0.15", None),
            ("REDIS0012", 25, false, "8.1", None),
        ] {
            let file = dump(header, kind);
            let before = std::fs::read(file.path()).unwrap();
            let outcome = downgrade(file.path(), is_redis, version);
            let after = std::fs::read(file.path()).unwrap();
            let Some(header) = expected else {
                let is_refused = matches!(outcome, Err(BackupError::Incompatible(_)));
                assert!(is_refused && after == before, "{header} {kind}: {outcome:?}");
                continue;
            };
            assert_eq!(outcome.unwrap(), BTreeMap::from([(0, 1)]));
            assert!(after.starts_with(header.as_bytes()), "{header} {kind}");
            // Its checksum is right.
            downgrade(file.path(), is_redis, version).unwrap();
            assert_eq!(after[9..after.len() - 8], before[9..before.len() - 8]);
        }
    }

    #[test]
    fn damaged_dump_is_refused() {
        let file = dump("REDIS0012", 0);
        let mut bytes = std::fs::read(file.path()).unwrap();
        bytes[14] ^= 1;
        std::fs::write(file.path(), &bytes).unwrap();
        assert!(downgrade(file.path(), false, "8.1").is_err());
        bytes.truncate(12);
        std::fs::write(file.path(), &bytes).unwrap();
        assert!(downgrade(file.path(), false, "8.1").is_err());
    }
}
