//! Channels between tasks that wait and a thread that computes, as readers and writers of bytes. What is under way is
//! bounded by the channels.
//!
//! Guarantees: a sender that is dropped before it has sent the end makes reading fail; it never looks like an end.

use std::io::{self, Read, Write};
use tokio::sync::mpsc;

/// What goes through a channel.
pub(crate) enum Piece {
    /// Bytes.
    Data(Vec<u8>),
    /// There are no more.
    End,
}

/// Reads what was sent; for threads that may block.
pub(crate) struct ChannelReader {
    pieces: mpsc::Receiver<Piece>,
    current: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl ChannelReader {
    pub(crate) fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self { pieces, current: io::Cursor::default(), ended: false }
    }
}

impl Read for ChannelReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || self.ended || buffer.is_empty() {
                return Ok(read);
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Data(data)) => self.current = io::Cursor::new(data),
                Some(Piece::End) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

/// Sends what is written, in parts of one size; for threads that may block.
pub(crate) struct PartWriter {
    parts: mpsc::Sender<Piece>,
    part: Vec<u8>,
    size: usize,
    /// Bytes so far.
    pub(crate) written: u64,
}

impl PartWriter {
    pub(crate) fn new(parts: mpsc::Sender<Piece>, size: usize) -> Self {
        Self { parts, part: Vec::with_capacity(size), size, written: 0 }
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        self.parts.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Sends the last part and the end; answers the bytes of all.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        let part = std::mem::take(&mut self.part);
        if !part.is_empty() {
            self.send(Piece::Data(part))?;
        }
        self.send(Piece::End)?;
        Ok(self.written)
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.size - self.part.len());
        self.part.extend_from_slice(&bytes[..taken]);
        self.written += taken as u64;
        if self.part.len() == self.size {
            let part = std::mem::replace(&mut self.part, Vec::with_capacity(self.size));
            self.send(Piece::Data(part))?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
