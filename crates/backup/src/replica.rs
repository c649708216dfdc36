//! Asks a server for all of its data, as a replica does, and reads it as it comes.
//!
//! Guarantees: the data is that of the answered position in the answered history; a stream that ends early is an error.
//! The connection is closed when the data has come, so that the server never counts it as a replica that follows.

use crate::{error::BackupError, frame::Frame};
use std::{io, path::Path, time::Duration};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
};
use valkeeper_server::{Connection, Stream, answer::decode_command, resp};

/// Longest wait for the next bytes. A server that forks, or waits for another save, sends line ends.
const PATIENCE: Duration = Duration::from_mins(1);
/// Longest line that a server sends before its data.
const LONGEST_LINE: usize = 512;
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// A full synchronization under way.
pub(crate) struct FullSync {
    stream: Box<dyn Stream>,
    frame: Frame,
    /// Name of the history.
    pub(crate) id: String,
    /// Position in it.
    pub(crate) offset: u64,
}

impl FullSync {
    /// Asks for it, over a connection that has authenticated, for a server of this version.
    pub(crate) async fn begin(mut connection: Connection, reader: &str) -> Result<Self, BackupError> {
        // A Valkey takes a replica that names no version for an old one. Others know no such option.
        match connection.call(&["REPLCONF", "version", reader]).await {
            Err(error) if connection.is_usable() => tracing::debug!(%error, "no version named"),
            answer => drop(answer?),
        }
        let (mut stream, answer) = psync(connection, "?", "-1").await?;
        let (id, offset) = position(&answer)?;
        let announced = line(&mut stream).await?;
        let frame = Frame::parse(&announced);
        let frame = frame.ok_or_else(|| protocol(format!("announces its data by {announced:?}")))?;
        Ok(Self { stream, frame, id, offset })
    }

    /// The next of the data; none when all of it has come.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        let mut piece = Vec::with_capacity(PIECE);
        while !self.frame.is_over() {
            piece.clear();
            receive(&mut self.stream, &mut piece).await?;
            let data = self.frame.take(&piece);
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// Where in a history copied data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Name of the history.
    pub id: String,
    /// Position in it.
    pub offset: u64,
}

/// Writes all data of a server to a file, over a connection that has authenticated, for a server of this version.
pub async fn copy(connection: Connection, path: &Path, reader: &str) -> Result<Copied, BackupError> {
    let failed = |error| BackupError::Io("write the copied data", error);
    let mut sync = FullSync::begin(connection, reader).await?;
    let mut file = File::create(path).await.map_err(failed)?;
    while let Some(piece) = sync.next().await? {
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(Copied { id: sync.id, offset: sync.offset })
}

/// What has become of the data of a server since it was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// Nothing but that these keys of these databases were removed, by clients or because they have expired.
    Removed(Vec<(u32, Vec<u8>)>),
    /// Something else, or the server does not know any more.
    Changed,
}

/// Asks a server, over a connection that has authenticated, what it would tell a replica between what was copied and this
/// position.
pub async fn since(connection: Connection, copied: &Copied, position: u64) -> Result<Since, BackupError> {
    let Some(mut missing) = position.checked_sub(copied.offset) else { return Ok(Since::Changed) };
    let mut changes = Changes::default();
    if missing == 0 {
        return Ok(Since::Removed(changes.removed));
    }
    let next = (copied.offset + 1).to_string();
    let (mut stream, answer) = psync(connection, &copied.id, &next).await?;
    if !answer.starts_with("+CONTINUE") {
        return Ok(Since::Changed);
    }
    let mut received = Vec::new();
    while missing > 0 {
        let command = decode_command(&received).map_err(|error| protocol(error.to_string()))?;
        if let Some((words, length)) = command {
            if !changes.understand(&words) {
                return Ok(Since::Changed);
            }
            received.drain(..length);
            missing = missing.saturating_sub(length as u64);
            continue;
        }
        receive(&mut stream, &mut received).await?;
    }
    Ok(Since::Removed(changes.removed))
}

/// What commands of a stream have removed. After a full synchronization, the first that names keys follows a `SELECT`.
#[derive(Default)]
struct Changes {
    database: Option<u32>,
    removed: Vec<(u32, Vec<u8>)>,
}

impl Changes {
    /// Whether a command changes nothing, or removes keys only.
    fn understand(&mut self, words: &[Vec<u8>]) -> bool {
        let Some((name, arguments)) = words.split_first() else { return true };
        match (name.to_ascii_uppercase().as_slice(), self.database) {
            (b"PING" | b"REPLCONF" | b"PUBLISH" | b"SPUBLISH" | b"MULTI" | b"EXEC", _) => true,
            (b"SELECT", _) => {
                let number = arguments.first().and_then(|number| str::from_utf8(number).ok()?.parse().ok());
                self.database = number;
                number.is_some()
            }
            (b"DEL" | b"UNLINK", Some(database)) => {
                self.removed.extend(arguments.iter().map(|key| (database, key.clone())));
                true
            }
            _ => false,
        }
    }
}

fn protocol(what: impl Into<String>) -> BackupError {
    BackupError::Stream(what.into())
}

/// A Valkey 9 ends it when it has a value that an earlier version does not know.
fn ended_early() -> BackupError {
    protocol("ended before its data had come; the log of the server says why")
}

/// Asks for everything after a position, as a replica that no server connects back to; answers the stream and its first line.
async fn psync(
    mut connection: Connection,
    id: &str,
    next: &str,
) -> Result<(Box<dyn Stream>, String), BackupError> {
    connection.call(&["REPLCONF", "listening-port", "0"]).await?;
    connection.call(&["REPLCONF", "capa", "eof", "capa", "psync2"]).await?;
    let stream = connection.into_stream();
    let mut stream = stream.ok_or_else(|| protocol("answered more than it was asked"))?;
    send(&mut stream, &resp::encode_command(&[b"PSYNC", id.as_bytes(), next.as_bytes()])).await?;
    let answer = line(&mut stream).await?;
    Ok((stream, answer))
}

/// Adds the next bytes.
async fn receive(stream: &mut Box<dyn Stream>, received: &mut Vec<u8>) -> Result<(), BackupError> {
    let read = tokio::time::timeout(PATIENCE, stream.read_buf(received)).await;
    match read.map_err(|_| protocol("stands still"))?.map_err(valkeeper_server::Error::from)? {
        0 => Err(ended_early()),
        _ => Ok(()),
    }
}

async fn send(stream: &mut Box<dyn Stream>, bytes: &[u8]) -> Result<(), BackupError> {
    let sending = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    sending.await.map_err(|error: io::Error| valkeeper_server::Error::from(error).into())
}

/// The next line that is not empty: servers send line ends while they prepare.
async fn line(stream: &mut Box<dyn Stream>) -> Result<String, BackupError> {
    let mut text = Vec::new();
    loop {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await;
        let byte = match byte.map_err(|_| protocol("stands still"))? {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(ended_early()),
            byte => byte.map_err(valkeeper_server::Error::from)?,
        };
        match byte {
            b'\r' => {}
            b'\n' if text.is_empty() => {}
            b'\n' => return Ok(String::from_utf8_lossy(&text).into_owned()),
            _ if text.len() >= LONGEST_LINE => return Err(protocol("sends a line without an end")),
            byte => text.push(byte),
        }
    }
}

/// History and position in the answer to `PSYNC`.
fn position(answer: &str) -> Result<(String, u64), BackupError> {
    if let Some(refusal) = answer.strip_prefix('-') {
        let refused =
            valkeeper_server::Error::Refused { command: "PSYNC".to_owned(), answer: refusal.to_owned() };
        return Err(refused.into());
    }
    let mut words = answer.strip_prefix("+FULLRESYNC ").into_iter().flat_map(str::split_whitespace);
    let position = words.next().zip(words.next().and_then(|offset| offset.parse().ok()));
    position
        .map(|(id, offset)| (id.to_owned(), offset))
        .ok_or_else(|| protocol(format!("answers {answer:?} instead of a full synchronization")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_is_read_from_the_answer_only_if_it_is_one() {
        assert_eq!(position("+FULLRESYNC abc 12").unwrap(), ("abc".to_owned(), 12));
        for other in ["+FULLRESYNC", "+FULLRESYNC abc", "+FULLRESYNC abc x", "+CONTINUE", ""] {
            assert!(matches!(position(other), Err(BackupError::Stream(_))), "{other}");
        }
        let refused = position("-NOMASTERLINK Can't SYNC while not connected with my master").unwrap_err();
        assert!(
            matches!(&refused, BackupError::Server(error)
            if error.class() == valkeeper_server::ErrorClass::Busy),
            "{refused}"
        );
    }
    #[test]
    fn stream_of_a_calm_server_only_removes_keys() {
        let told = |lines: &[&str]| {
            let mut changes = Changes::default();
            let words = |line: &&str| -> Vec<Vec<u8>> {
                line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
            };
            lines.iter().all(|line| changes.understand(&words(line))).then_some(changes.removed)
        };
        let removed = |database: u32, key: &str| (database, key.as_bytes().to_vec());
        assert_eq!(told(&["PING", "replconf GETACK *", "PUBLISH __sentinel__:hello a"]), Some(vec![]));
        let expiry = ["SELECT 3", "MULTI", "DEL a", "UNLINK b c", "EXEC"];
        assert_eq!(told(&expiry), Some(vec![removed(3, "a"), removed(3, "b"), removed(3, "c")]));
        for changed in [&["SELECT 0", "SET a b"][..], &["DEL a"], &["SELECT x"], &["FLUSHALL"]] {
            assert_eq!(told(changed), None, "{changed:?}");
        }
    }
}
