//! What is computed over the bytes of a dump while they pass: SHA-256, and the checksum that the server puts at the end.

use crate::seal::digits;
use crc_fast::{CrcAlgorithm, Digest};
use ring::digest::{Context, SHA256};

/// Bytes of the server's checksum.
const CHECKSUM: usize = 8;

/// The objection to a dump that the server wrote without a checksum. It loads such a one, also if it is damaged.
pub(crate) const NO_CHECKSUM: &str =
    "has no checksum; set the directive rdbchecksum to yes and restart the servers";

/// The checksums of a dump, so far.
pub(crate) struct Checks {
    sha256: Context,
    crc: Digest,
    /// The last bytes, which may be the server's checksum.
    tail: Vec<u8>,
    /// Bytes so far.
    pub(crate) bytes: u64,
}

/// The checksums of a whole dump.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// In hexadecimal digits.
    pub(crate) sha256: String,
    /// Why the server's own checksum does not confirm the dump.
    pub(crate) objection: Option<&'static str>,
    /// Bytes.
    pub(crate) bytes: u64,
}

impl Checks {
    pub(crate) fn new() -> Self {
        Self {
            sha256: Context::new(&SHA256),
            crc: Digest::new(CrcAlgorithm::Crc64Redis),
            tail: Vec::new(),
            bytes: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        let certain = self.tail.len().saturating_sub(CHECKSUM);
        self.crc.update(&self.tail[..certain]);
        self.tail.drain(..certain);
    }

    pub(crate) fn finish(self) -> Checked {
        let announced = <[u8; CHECKSUM]>::try_from(&self.tail[..]).map(u64::from_le_bytes);
        let objection = match announced {
            Err(_) => Some("is too short"),
            // A server loads a damaged dump without a checksum and says nothing.
            Ok(0) => Some(NO_CHECKSUM),
            Ok(announced) if announced != self.crc.finalize() => {
                Some("does not have the checksum that it ends with")
            }
            Ok(_) => None,
        };
        let sha256 = digits(self.sha256.finish().as_ref());
        Checked { sha256, objection, bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(bytes: &[u8], cuts: usize) -> Checked {
        let mut checks = Checks::new();
        for piece in bytes.chunks(cuts) {
            checks.update(piece);
        }
        checks.finish()
    }

    /// The vector of the servers' own test of their checksum.
    #[test]
    fn checksum_is_that_of_the_servers() {
        let mut dump = b"123456789".to_vec();
        dump.extend_from_slice(&0xe9c6_d914_c4b8_d9ca_u64.to_le_bytes());
        let checked = of(&dump, 3);
        assert_eq!((checked.objection, checked.bytes), (None, 17));
        dump[2] ^= 1;
        assert!(of(&dump, 3).objection.is_some());
        dump.truncate(9);
        dump.extend_from_slice(&[0; 8]);
        assert!(of(&dump, 3).objection.unwrap().contains("rdbchecksum"));
        assert_eq!(of(b"1234", 1).objection, Some("is too short"));
    }

    proptest! {
        #[test]
        fn checksums_are_the_same_however_the_dump_is_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), cuts in 1_usize..50,
        ) {
            prop_assert_eq!(of(&bytes, cuts), of(&bytes, 1000));
        }
    }
}
