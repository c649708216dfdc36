//! The parts of a dump, one after another: what they are is told, and values are skipped.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

/// Longest text that is kept; the rest are skipped.
const LONGEST: u64 = 64;

pub(super) enum Failure {
    /// The bytes cannot be read.
    Io(io::Error),
    /// They cannot be understood.
    Unknown,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) type Outcome<T> = Result<T, Failure>;

/// What was read so far.
pub(super) struct Scan<'reader, R> {
    pub(super) reader: &'reader mut R,
    pub(super) keys: BTreeMap<u32, u64>,
    pub(super) kinds: BTreeSet<u8>,
    pub(super) database: u32,
    pub(super) used_memory: Option<u64>,
    pub(super) history: Option<String>,
    pub(super) offset: Option<u64>,
}

/// A length, or the way in which a text is encoded.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<R: Read> Scan<'_, R> {
    /// Reads up to the end.
    pub(super) fn all(&mut self) -> Outcome<()> {
        loop {
            let kind = self.byte()?;
            // Facts of modules and of slots, and all values.
            if matches!(kind, 0xF0..=0xF4 | 0xF6 | 0xF7 | ..0xF0) {
                self.kinds.insert(kind);
            }
            match kind {
                0xFF => return Ok(()),
                0xFE => {
                    let number = self.length()?;
                    self.database = u32::try_from(number).map_err(|_| Failure::Unknown)?;
                }
                0xFD => self.skip(4)?,
                0xFC => self.skip(8)?,
                0xFB => self.lengths(2)?,
                0xFA => self.field()?,
                0xF9 => self.skip(1)?,
                0xF8 => self.lengths(1)?,
                0xF7 => {
                    self.lengths(3)?;
                    self.module()?;
                }
                0xF5 => self.text()?,
                0xF4 => self.lengths(3)?,
                // Later than what is known here.
                0xF0..=0xF3 | 0xF6 => return Err(Failure::Unknown),
                kind => {
                    self.text()?;
                    self.value(kind)?;
                    *self.keys.entry(self.database).or_default() += 1;
                }
            }
        }
    }

    fn value(&mut self, kind: u8) -> Outcome<()> {
        match kind {
            0 | 9..=13 | 16 | 17 | 20 => self.text(),
            1 | 2 | 14 => self.texts(1),
            4 => self.texts(2),
            3 => self.many(|scan| {
                scan.text()?;
                match scan.byte()? {
                    253..=255 => Ok(()),
                    length => scan.skip(length.into()),
                }
            }),
            5 => self.many(|scan| {
                scan.text()?;
                scan.skip(8)
            }),
            7 => {
                self.lengths(1)?;
                self.module()
            }
            15 | 19 | 21 => self.stream(kind),
            18 => self.many(|scan| {
                scan.lengths(1)?;
                scan.text()
            }),
            _ => Err(Failure::Unknown),
        }
    }

    fn stream(&mut self, kind: u8) -> Outcome<()> {
        self.texts(2)?;
        self.lengths(if kind >= 19 { 8 } else { 3 })?;
        self.many(|scan| {
            scan.text()?;
            scan.lengths(if kind >= 19 { 3 } else { 2 })?;
            scan.many(|scan| {
                scan.skip(24)?;
                scan.lengths(1)
            })?;
            scan.many(|scan| {
                scan.text()?;
                scan.skip(if kind >= 21 { 16 } else { 8 })?;
                scan.many(|scan| scan.skip(16))
            })
        })
    }

    /// A value of a module, which says itself how to skip it.
    fn module(&mut self) -> Outcome<()> {
        loop {
            match self.length()? {
                0 => return Ok(()),
                1 | 2 => self.lengths(1)?,
                3 => self.skip(4)?,
                4 => self.skip(8)?,
                5 => self.text()?,
                _ => return Err(Failure::Unknown),
            }
        }
    }

    /// A fact about the dump.
    fn field(&mut self) -> Outcome<()> {
        let name = self.short_text()?;
        let value = self.short_text()?;
        let number = || value.as_ref().and_then(|value| value.parse().ok());
        match name.as_deref() {
            Some("used-mem") => self.used_memory = number(),
            Some("repl-offset") => self.offset = number(),
            Some("repl-id") => self.history = value,
            _ => {}
        }
        Ok(())
    }

    fn many(&mut self, mut each: impl FnMut(&mut Self) -> Outcome<()>) -> Outcome<()> {
        for _ in 0..self.length()? {
            each(self)?;
        }
        Ok(())
    }

    fn texts(&mut self, of_each: u64) -> Outcome<()> {
        self.many(|scan| (0..of_each).try_for_each(|_| scan.text()))
    }

    fn lengths(&mut self, count: u32) -> Outcome<()> {
        (0..count).try_for_each(|_| self.length().map(drop))
    }

    fn text(&mut self) -> Outcome<()> {
        match self.length_or_encoding()? {
            Length::Plain(length) => self.skip(length),
            Length::Encoded(encoding @ 0..=2) => self.skip(1 << encoding),
            Length::Encoded(3) => {
                let compressed = self.length()?;
                self.length()?;
                self.skip(compressed)
            }
            Length::Encoded(_) => Err(Failure::Unknown),
        }
    }

    /// A text or a number, if it is short and plain.
    fn short_text(&mut self) -> Outcome<Option<String>> {
        match self.length_or_encoding()? {
            Length::Plain(length) if length <= LONGEST => {
                let mut bytes = Vec::new();
                self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
                if bytes.len() as u64 == length {
                    Ok(String::from_utf8(bytes).ok())
                } else {
                    Err(Failure::Io(io::ErrorKind::UnexpectedEof.into()))
                }
            }
            Length::Plain(length) => self.skip(length).map(|()| None),
            Length::Encoded(encoding @ 0..=2) => {
                let mut bytes = [0; 8];
                self.reader.read_exact(&mut bytes[..1 << encoding])?;
                Ok(Some(u64::from_le_bytes(bytes).to_string()))
            }
            Length::Encoded(3) => {
                let compressed = self.length()?;
                self.length()?;
                self.skip(compressed).map(|()| None)
            }
            Length::Encoded(_) => Err(Failure::Unknown),
        }
    }

    fn length(&mut self) -> Outcome<u64> {
        match self.length_or_encoding()? {
            Length::Plain(length) => Ok(length),
            Length::Encoded(_) => Err(Failure::Unknown),
        }
    }

    fn length_or_encoding(&mut self) -> Outcome<Length> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3F);
        Ok(match (first >> 6, first) {
            (0, _) => Length::Plain(low),
            (1, _) => Length::Plain(low << 8 | u64::from(self.byte()?)),
            (3, _) => Length::Encoded(first & 0x3F),
            (_, 0x80) => {
                let mut bytes = [0; 4];
                self.reader.read_exact(&mut bytes)?;
                Length::Plain(u32::from_be_bytes(bytes).into())
            }
            (_, 0x81) => {
                let mut bytes = [0; 8];
                self.reader.read_exact(&mut bytes)?;
                Length::Plain(u64::from_be_bytes(bytes))
            }
            _ => return Err(Failure::Unknown),
        })
    }

    fn byte(&mut self) -> Outcome<u8> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn skip(&mut self, length: u64) -> Outcome<()> {
        let skipped = io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())?;
        if skipped == length { Ok(()) } else { Err(Failure::Io(io::ErrorKind::UnexpectedEof.into())) }
    }
}
