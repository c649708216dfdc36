//! Takes a backup: from the server, through checksums and compression, into parts of one object, and last a manifest.
//!
//! ```text
//!   server ─▶ FullSync ─▶ thread: checksums, summary, zstd, encryption ─▶ parts ─▶ store, then manifest
//!            64 KiB × 8                                       5 MiB × 4, larger from 45 GB of memory
//! ```
//!
//! Guarantees: memory is bounded by the channels, whatever the size of the data, and a slow store slows the server's
//! stream down; a failure leaves no manifest, and removes the parts that were sent where the store lets it. An attempt
//! begins with the removal of what an earlier one of the same backup has left.

use crate::{
    check::Checks,
    error::{BackupError, ErrorClass},
    manifest::{MANIFEST, Manifest, Origin},
    pace::Pace,
    pipe::{ChannelReader, PartWriter, Piece},
    rdb::{self, Summary},
    replica::FullSync,
    seal::{Chunks, EncryptionKey, Sealer},
    store::Store,
};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, stream::FuturesUnordered};
use object_store::{MultipartUpload, ObjectStoreExt as _, path::Path};
use std::{
    io::{self, Read, Write as _},
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;
use valkeeper_server::Connection;

/// Fewest bytes of a part: S3 takes no smaller one but the last, and parts of one size only.
const SMALLEST_PART: u64 = 5 << 20;
/// Parts of the largest upload; S3 takes 10 000. Data is smaller in a backup than in memory.
const MOST_PARTS: u64 = 9_000;
/// Parts on their way at the same time.
const PARTS_UNDER_WAY: usize = 2;
/// Pieces of the server's stream that may wait.
const WAITING: usize = 8;
/// How often a store is asked to abort the uploads of earlier attempts.
const CLEARINGS: u32 = 3;
/// Between two of them.
const BETWEEN_CLEARINGS: Duration = Duration::from_millis(500);
/// Fast, and close to what more effort would reach.
const LEVEL: i32 = 3;

/// What is to be taken.
#[derive(Clone, Debug)]
pub struct Order {
    /// The key of the backup in the store.
    pub key: String,
    /// Sets the objects of this attempt apart from those of any other.
    pub attempt: String,
    /// Where the data comes from.
    pub origin: Origin,
    /// Bytes of memory that the server uses, which its data does not exceed.
    pub used_memory: u64,
    /// How many bytes of data may pass per second; any number when absent.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Bytes of data that have passed so far.
    pub progress: Arc<AtomicU64>,
}

/// Takes a backup over a connection that has authenticated; `now` is the wall clock. A backup that has a manifest already
/// is not taken again.
pub async fn take(
    store: &Store,
    connection: Connection,
    order: &Order,
    now: impl Fn() -> DateTime<Utc>,
) -> Result<Manifest, BackupError> {
    if let Some(taken) = store.manifest(&order.key).await? {
        store.check_encryption(&taken)?;
        return Ok(taken);
    }
    clear(store, &order.key).await;
    let started_at = now();
    let (encryption, chunks) = store.key.as_ref().map(EncryptionKey::begin).transpose()?.unzip();
    let suffix = if encryption.is_some() { ".enc" } else { "" };
    let object = format!("dump-{}.rdb.zst{suffix}", order.attempt);
    let path = store.path(&order.key, &object)?;
    let mut sync = FullSync::begin(connection, &order.origin.server_version).await?;
    let encoded = transfer(store, &path, &mut sync, (order, chunks)).await?;
    let FullSync { id, offset, .. } = sync;
    let manifest = Manifest {
        format: Manifest::format(encryption.as_ref()),
        origin: order.origin.clone(),
        started_at,
        completed_at: now(),
        replication_id: id,
        replication_offset: offset,
        object,
        compression: Manifest::compression(),
        encryption,
        stored_bytes: encoded.stored,
        bytes: encoded.bytes,
        sha256: encoded.sha256,
        rdb: encoded.summary.header,
        keys: encoded.summary.keys,
        used_memory: encoded.summary.used_memory,
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::from);
    let text = text.map_err(|error| BackupError::Io("write the manifest", error))?;
    let put = store.objects.put(&store.path(&order.key, MANIFEST)?, text.into()).await;
    put.map_err(|error| BackupError::store("write the manifest", &error))?;
    Ok(manifest)
}

/// Aborts the uploads of earlier attempts, whose managers were killed. A store that refuses it is no reason to have no
/// backup: the deletion of the backup tries again.
async fn clear(store: &Store, key: &str) {
    for attempt in 1..=CLEARINGS {
        match store.abort_uploads(key).await {
            Ok(0) => return,
            Ok(count) => return tracing::info!(count, key, "aborted uploads of earlier attempts"),
            Err(error) if error.class() == ErrorClass::Transient && attempt < CLEARINGS => {
                tokio::time::sleep(BETWEEN_CLEARINGS).await;
            }
            Err(error) => return tracing::warn!(%error, key, "uploads of earlier attempts were not aborted"),
        }
    }
}

/// What became of the data.
struct Encoded {
    summary: Summary,
    sha256: String,
    bytes: u64,
    stored: u64,
}

async fn transfer(
    store: &Store,
    path: &Path,
    sync: &mut FullSync,
    (order, chunks): (&Order, Option<Chunks>),
) -> Result<Encoded, BackupError> {
    let (to_thread, pieces) = mpsc::channel(WAITING);
    let (to_store, parts) = mpsc::channel(1);
    let part = part_size(order.used_memory);
    let encoding =
        tokio::task::spawn_blocking(move || encode(pieces, PartWriter::new(to_store, part), chunks));
    let (pumped, encoded, uploaded) =
        tokio::join!(pump(sync, to_thread, order), encoding, upload(store, path, parts));
    // Of several failures, the first cause: the others follow from it.
    uploaded?;
    pumped?;
    encoded.map_err(io::Error::other).map_err(|error| BackupError::Io("compress the data", error))?
}

/// Ends quietly when nobody takes what it sends: who stopped says why.
async fn pump(sync: &mut FullSync, to_thread: mpsc::Sender<Piece>, order: &Order) -> Result<(), BackupError> {
    let mut pace = Pace::new(order.bytes_per_second);
    while let Some(data) = sync.next().await? {
        order.progress.fetch_add(data.len() as u64, Ordering::Relaxed);
        pace.passed(data.len()).await;
        if to_thread.send(Piece::Data(data)).await.is_err() {
            return Ok(());
        }
    }
    let _ = to_thread.send(Piece::End).await;
    Ok(())
}

/// Hands on what is read, after it has passed through checksums and compression.
struct Tap<R, W: io::Write> {
    from: R,
    checks: Checks,
    to: zstd::Encoder<'static, W>,
}

impl<R: Read, W: io::Write> Read for Tap<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.checks.update(&buffer[..read]);
        self.to.write_all(&buffer[..read])?;
        Ok(read)
    }
}

fn encode(
    pieces: mpsc::Receiver<Piece>,
    parts: PartWriter,
    chunks: Option<Chunks>,
) -> Result<Encoded, BackupError> {
    let failed = |error| BackupError::Io("compress the data", error);
    let mut encoder = zstd::Encoder::new(Sealer::new(parts, chunks), LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let tap = Tap { from: ChannelReader::new(pieces), checks: Checks::new(), to: encoder };
    let mut reader = io::BufReader::with_capacity(64 * 1024, tap);
    let summary = rdb::summarize(&mut reader).map_err(failed)?;
    io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
    let Tap { checks, to, .. } = reader.into_inner();
    let checked = checks.finish();
    if let Some(objection) = checked.objection {
        // Nothing is finished: the upload is given up.
        return Err(BackupError::Stream(objection.to_owned()));
    }
    let stored = to.finish().and_then(Sealer::finish).and_then(PartWriter::finish).map_err(failed)?;
    Ok(Encoded { summary, sha256: checked.sha256, bytes: checked.bytes, stored })
}

/// Bytes of each part of an upload.
fn part_size(used_memory: u64) -> usize {
    let needed = used_memory.div_ceil(MOST_PARTS).max(SMALLEST_PART);
    usize::try_from(needed).unwrap_or(usize::MAX)
}

async fn upload(store: &Store, path: &Path, mut parts: mpsc::Receiver<Piece>) -> Result<(), BackupError> {
    let failed = |error: object_store::Error| BackupError::store("write the data", &error);
    let mut upload = store.objects.put_multipart(path).await.map_err(failed)?;
    match send_parts(upload.as_mut(), &mut parts).await {
        Ok(true) => upload.complete().await.map(drop).map_err(failed),
        Ok(false) => {
            give_up(upload).await;
            Ok(())
        }
        Err(error) => {
            give_up(upload).await;
            Err(failed(error))
        }
    }
}

/// Whether all parts were sent; otherwise the sender has given up.
async fn send_parts(
    upload: &mut dyn MultipartUpload,
    parts: &mut mpsc::Receiver<Piece>,
) -> object_store::Result<bool> {
    let mut under_way = FuturesUnordered::new();
    let complete = loop {
        match parts.recv().await {
            Some(Piece::Data(part)) => under_way.push(upload.put_part(part.into())),
            Some(Piece::End) => break true,
            None => break false,
        }
        while under_way.len() >= PARTS_UNDER_WAY {
            if let Some(sent) = under_way.next().await {
                sent?;
            }
        }
    };
    while let Some(sent) = under_way.next().await {
        sent?;
    }
    Ok(complete)
}

async fn give_up(mut upload: Box<dyn MultipartUpload>) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(%error, "parts of a failed backup were not removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_small_as_the_store_and_the_data_allow() {
        assert_eq!(part_size(0), 5 << 20);
        assert_eq!(part_size(40 << 30), 5 << 20);
        for used_memory in [50 << 30, 1 << 40, 12 << 40] {
            let size = part_size(used_memory) as u64;
            assert!(size * 10_000 > used_memory + used_memory / 10, "{size} of {used_memory}");
        }
    }
}
