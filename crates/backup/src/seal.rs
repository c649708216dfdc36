//! Encryption of what is stored, with AES-256-GCM in chunks, so that neither side holds more than two of them.
//!
//! ```text
//!   key of the Secret + salt ──HKDF──▶ key of this backup
//!   chunk n: 64 KiB, nonce = first 7 bytes of the salt · n as 4 bytes · 1 for the last chunk, 0 for the others
//! ```
//!
//! Guarantees: no two chunks have one key and one nonce, since each attempt draws a salt of its own; chunks that are
//! missing, changed, repeated, or in another order are refused, also at the end. A wrong key is refused before any data is
//! read.

use crate::error::BackupError;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    io::{self, Read, Write},
};

/// Bytes of data in a chunk.
const CHUNK: usize = 64 * 1024;
/// Bytes that prove a chunk.
const TAG: usize = 16;
/// The only construction.
const ALGORITHM: &str = "AES-256-GCM-STREAM";
/// Bytes of a salt.
const SALT: usize = 32;
/// Bytes by which a key is recognized.
const CHECK: usize = 16;
/// What keys are derived for.
const FOR_DATA: &[u8] = b"valkeeper backup data";
const FOR_CHECK: &[u8] = b"valkeeper backup check";

/// How the data of a backup is encrypted, as its manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// The construction.
    pub algorithm: String,
    /// Sets the key of this backup apart from others, in hexadecimal digits.
    pub salt: String,
    /// By which the right key is recognized, in hexadecimal digits.
    pub check: String,
}

/// The key of a Secret.
#[derive(Clone)]
pub struct EncryptionKey([u8; 32]);

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EncryptionKey")
    }
}

/// The length of what is derived.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl EncryptionKey {
    /// From 64 hexadecimal digits.
    pub fn parse(text: &SecretString) -> Result<Self, BackupError> {
        let wrong = || BackupError::Key("must be 64 hexadecimal digits");
        let bytes = from_digits(text.expose_secret().trim()).ok_or_else(wrong)?;
        bytes.try_into().map(Self).map_err(|_| wrong())
    }

    fn derive<const N: usize>(&self, salt: &[u8], purpose: &[u8]) -> Result<[u8; N], BackupError> {
        let failed = |_| BackupError::Key("cannot be used");
        let mut derived = [0; N];
        let extracted = Salt::new(HKDF_SHA256, salt).extract(&self.0);
        extracted.expand(&[purpose], Length(N)).and_then(|key| key.fill(&mut derived)).map_err(failed)?;
        Ok(derived)
    }

    /// For a new backup: what its manifest says, and by what it is sealed.
    pub(crate) fn begin(&self) -> Result<(Encryption, Chunks), BackupError> {
        let mut salt = [0; SALT];
        SystemRandom::new().fill(&mut salt).map_err(|_| BackupError::Key("cannot be used"))?;
        let check: [u8; CHECK] = self.derive(&salt, FOR_CHECK)?;
        let encryption =
            Encryption { algorithm: ALGORITHM.to_owned(), salt: digits(&salt), check: digits(&check) };
        Ok((encryption, self.chunks(&salt)?))
    }

    /// For a backup that was sealed so.
    pub(crate) fn open(&self, encryption: &Encryption) -> Result<Chunks, BackupError> {
        let damaged =
            || BackupError::Damaged("its manifest describes an encryption that does not exist".to_owned());
        if encryption.algorithm != ALGORITHM {
            return Err(BackupError::Incompatible(format!("its encryption is {:?}", encryption.algorithm)));
        }
        let salt = from_digits(&encryption.salt).filter(|salt| salt.len() == SALT).ok_or_else(damaged)?;
        let announced = from_digits(&encryption.check).ok_or_else(damaged)?;
        let check: [u8; CHECK] = self.derive(&salt, FOR_CHECK)?;
        // Whoever has the manifest has the check as well: there is nothing to keep from a clock.
        if check[..] != announced[..] {
            return Err(BackupError::Key("is not the one that the backup was encrypted with"));
        }
        self.chunks(&salt)
    }

    fn chunks(&self, salt: &[u8]) -> Result<Chunks, BackupError> {
        let key: [u8; 32] = self.derive(salt, FOR_DATA)?;
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| BackupError::Key("cannot be used"))?;
        let mut prefix = [0; 7];
        prefix.copy_from_slice(salt.get(..7).unwrap_or(&[0; 7]));
        Ok(Chunks { key: LessSafeKey::new(key), prefix, next: Some(0) })
    }
}

/// The chunks of one backup, in their order.
pub(crate) struct Chunks {
    key: LessSafeKey,
    prefix: [u8; 7],
    /// None when all numbers are used, or after the last chunk.
    next: Option<u32>,
}

impl Chunks {
    fn nonce(&mut self, last: bool) -> io::Result<Nonce> {
        let number = self.next.ok_or_else(|| io::Error::other("it has more chunks than are possible"))?;
        self.next = if last { None } else { number.checked_add(1) };
        let mut nonce = [0; 12];
        nonce[..7].copy_from_slice(&self.prefix);
        nonce[7..11].copy_from_slice(&number.to_be_bytes());
        nonce[11] = u8::from(last);
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    fn seal(&mut self, chunk: &mut Vec<u8>, last: bool) -> io::Result<()> {
        let nonce = self.nonce(last)?;
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::empty(), chunk);
        sealed.map_err(|_| io::Error::other("a chunk cannot be encrypted"))
    }

    fn open(&mut self, chunk: &mut Vec<u8>, last: bool) -> io::Result<()> {
        let nonce = self.nonce(last)?;
        let opened = self.key.open_in_place(nonce, Aad::empty(), chunk);
        let length =
            opened.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk is not authentic"))?.len();
        chunk.truncate(length);
        Ok(())
    }
}

/// Hands on what is written, sealed if there is a key.
pub(crate) struct Sealer<W> {
    to: W,
    chunks: Option<Chunks>,
    chunk: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    pub(crate) fn new(to: W, chunks: Option<Chunks>) -> Self {
        Self { to, chunks, chunk: Vec::with_capacity(CHUNK + TAG) }
    }

    /// Seals the last chunk, which may be empty; answers what everything was handed to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if let Some(chunks) = &mut self.chunks {
            chunks.seal(&mut self.chunk, true)?;
            self.to.write_all(&self.chunk)?;
        }
        Ok(self.to)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(chunks) = &mut self.chunks else { return self.to.write(bytes) };
        // A full chunk waits for what follows: it may be the last.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            chunks.seal(&mut self.chunk, false)?;
            self.to.write_all(&self.chunk)?;
            self.chunk.clear();
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Reads what was sealed; as it is, if there is no key.
pub(crate) struct Opener<R> {
    from: R,
    chunks: Option<Chunks>,
    current: io::Cursor<Vec<u8>>,
    /// The chunk after the current one, as it is stored; none before the first.
    ahead: Option<Vec<u8>>,
}

impl<R: Read> Opener<R> {
    pub(crate) fn new(from: R, chunks: Option<Chunks>) -> Self {
        Self { from, chunks, current: io::Cursor::default(), ahead: None }
    }

    fn stored(&mut self) -> io::Result<Vec<u8>> {
        let mut chunk = Vec::with_capacity(CHUNK + TAG);
        (&mut self.from).take((CHUNK + TAG) as u64).read_to_end(&mut chunk)?;
        Ok(chunk)
    }

    /// Whether there was another chunk.
    fn advance(&mut self) -> io::Result<bool> {
        let mut chunk = match self.ahead.take() {
            Some(chunk) => chunk,
            None => self.stored()?,
        };
        // What is empty is no chunk: it follows the last one, whose nonce ends the numbers.
        if self.chunks.as_ref().is_some_and(|chunks| chunks.next.is_none()) && chunk.is_empty() {
            return Ok(false);
        }
        let ahead = self.stored()?;
        if let Some(chunks) = &mut self.chunks {
            chunks.open(&mut chunk, ahead.is_empty())?;
        }
        (self.ahead, self.current) = (Some(ahead), io::Cursor::new(chunk));
        Ok(true)
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunks.is_none() {
            return self.from.read(buffer);
        }
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || buffer.is_empty() || !self.advance()? {
                return Ok(read);
            }
        }
    }
}

pub(crate) fn digits(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn from_digits(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests;
