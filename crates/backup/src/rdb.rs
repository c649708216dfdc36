//! Reads what is said in a dump besides the values: its format, the keys of each database, the memory that the server
//! used. Pure, over any reader, with bounded memory: values are skipped, not kept.
//!
//! Left to others: whether the bytes are intact, which the checksums say.

mod scan;

use scan::{Failure, Scan};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

/// What a dump says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What it begins with.
    pub header: String,
    /// Keys by database; none where it has something that is not known here.
    pub keys: Option<BTreeMap<u32, u64>>,
    /// Bytes of memory that the server used.
    pub used_memory: Option<u64>,
    /// Name of its history, and the offset in it; none where it does not say.
    pub origin: Option<(String, u64)>,
}

/// What is in a dump.
pub(crate) struct Contents {
    /// What it begins with.
    pub(crate) header: String,
    /// Keys by database; none where it has something that is not known here.
    pub(crate) keys: Option<BTreeMap<u32, u64>>,
    /// The kinds of its values, and of facts that only some servers read.
    pub(crate) kinds: BTreeSet<u8>,
}

/// Bytes of the header.
const HEADER: usize = 9;
/// Reads a dump up to its end, or up to what is not known here; the caller reads the rest.
pub fn summarize(reader: &mut impl Read) -> io::Result<Summary> {
    let (header, mut scan, is_whole) = scan(reader)?;
    let (used_memory, origin) = (scan.used_memory, scan.history.take().zip(scan.offset));
    Ok(Summary { header, keys: is_whole.then_some(scan.keys), used_memory, origin })
}

/// Reads a whole dump, or up to what is not known here.
pub(crate) fn contents(reader: &mut impl Read) -> io::Result<Contents> {
    let (header, scan, is_whole) = scan(reader)?;
    Ok(Contents { header, keys: is_whole.then_some(scan.keys), kinds: scan.kinds })
}

/// The header, what was read, and whether that was all.
fn scan<R: Read>(reader: &mut R) -> io::Result<(String, Scan<'_, R>, bool)> {
    let mut header = [0; HEADER];
    reader.read_exact(&mut header)?;
    let header = String::from_utf8_lossy(&header).into_owned();
    let mut scan = Scan {
        reader,
        keys: BTreeMap::new(),
        kinds: BTreeSet::new(),
        database: 0,
        used_memory: None,
        history: None,
        offset: None,
    };
    let outcome = if header.starts_with("REDIS") || header.starts_with("VALKEY") {
        scan.all()
    } else {
        Err(Failure::Unknown)
    };
    match outcome {
        Ok(()) => Ok((header, scan, true)),
        Err(Failure::Unknown) => Ok((header, scan, false)),
        Err(Failure::Io(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
