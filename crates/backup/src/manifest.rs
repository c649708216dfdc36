//! What is said of a backup beside its data, and whether a server can read it. Pure.
//!
//! Architecture invariant: the manifest is the last object of a backup that is written and the first that is deleted.
//! What has no manifest is no backup.

use crate::{error::BackupError, seal::Encryption};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of this description; a later one may mean something else.
pub const FORMAT: u32 = 2;
/// The version that everything has that a version before encryption can read.
const PLAIN: u32 = 1;
/// Name of the manifest below the key of a backup.
pub const MANIFEST: &str = "manifest.json";
/// The only compression.
const COMPRESSION: &str = "zstd";

/// Where a backup comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Origin {
    /// Namespace of the cluster.
    pub namespace: String,
    /// Name of the cluster.
    pub cluster: String,
    /// The instance that sent its data.
    pub instance: String,
    /// Version of its server.
    pub server_version: String,
}

/// The description of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// See [`FORMAT`].
    pub format: u32,
    /// Where it comes from.
    pub origin: Origin,
    /// When the server began to send.
    pub started_at: DateTime<Utc>,
    /// When all of it was stored.
    pub completed_at: DateTime<Utc>,
    /// Name of the history of the data.
    pub replication_id: String,
    /// How far the data goes in that history.
    pub replication_offset: u64,
    /// Name of the object with the data, below the key.
    pub object: String,
    /// How the object is compressed.
    pub compression: String,
    /// How it is encrypted after that; none if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Its bytes as stored.
    pub stored_bytes: u64,
    /// Bytes of the data.
    pub bytes: u64,
    /// SHA-256 of the data, in hexadecimal digits.
    pub sha256: String,
    /// What the data begins with, such as `REDIS0011`.
    pub rdb: String,
    /// Keys by database; none where the data has values that this program does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<BTreeMap<u32, u64>>,
    /// Bytes of memory that the server used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_memory: Option<u64>,
}

/// The part of a manifest that says whether the rest can be understood.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Manifest {
    /// Reads a manifest; refuses what a later version of this program wrote.
    pub fn parse(bytes: &[u8]) -> Result<Self, BackupError> {
        let damaged = |error: serde_json::Error| BackupError::Damaged(format!("its manifest: {error}"));
        let Version { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format > FORMAT {
            let reason = format!("its manifest has format {format}, and this program knows {FORMAT}");
            return Err(BackupError::Incompatible(reason));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(damaged)?;
        if manifest.compression != COMPRESSION {
            let reason = format!("its compression is {:?}", manifest.compression);
            return Err(BackupError::Incompatible(reason));
        }
        Ok(manifest)
    }

    /// Keys in all databases.
    pub fn key_count(&self) -> Option<u64> {
        self.keys.as_ref().map(|keys| keys.values().sum())
    }

    /// Whether a server of this engine and version can read the data.
    pub fn check_server(&self, is_redis: bool, version: &str) -> Result<(), BackupError> {
        let Some(found) = RdbVersion::parse(&self.rdb) else {
            return Err(BackupError::Incompatible(format!("its data begins with {:?}", self.rdb)));
        };
        if found.is_read_by(is_redis, version) {
            return Ok(());
        }
        let engine = if is_redis { "Redis" } else { "Valkey" };
        let reason = format!(
            "its data has format {}, from server {}, which {engine} {version} does not read",
            self.rdb, self.origin.server_version
        );
        Err(BackupError::Incompatible(reason))
    }

    /// The version of a description.
    pub(crate) fn format(encryption: Option<&Encryption>) -> u32 {
        if encryption.is_some() { FORMAT } else { PLAIN }
    }

    pub(crate) fn compression() -> String {
        COMPRESSION.to_owned()
    }
}

/// Whether a server that is a Redis or not, of this version, can follow one whose version is that of `source`: it reads its
/// data, and knows its commands.
pub fn can_follow((is_redis, version): (bool, &str), (source_is_redis, source): (bool, &str)) -> bool {
    let is_later = source_is_redis == is_redis && release(source) > release(version);
    let is_foreign = is_redis && !source_is_redis;
    !is_later && !is_foreign && RdbVersion::written_by(!source_is_redis, source).is_read_by(is_redis, version)
}

/// The first two numbers of a version; the latest of all for what is none.
fn release(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(u32::MAX));
    (parts.next().unwrap_or(u32::MAX), parts.next().unwrap_or(0))
}

/// The format of data, which begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RdbVersion {
    is_valkey: bool,
    number: u32,
}

impl RdbVersion {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_valkey, digits) = match text.strip_prefix("REDIS") {
            Some(digits) => (false, digits),
            None => (true, text.strip_prefix("VALKEY")?),
        };
        Some(Self { is_valkey, number: digits.parse().ok()? })
    }

    /// The latest of before version 12 that a server of this version reads.
    pub(crate) fn of_server(is_redis: bool, version: &str) -> Self {
        Self { is_valkey: false, number: newest(is_redis, version) }
    }

    /// What a dump of it begins with.
    pub(crate) fn header(self) -> String {
        format!("REDIS{:04}", self.number)
    }

    /// The latest kind of value in it.
    pub(crate) fn latest_kind(self) -> u8 {
        if self.number <= 10 { 19 } else { 21 }
    }

    /// What a server of this version writes.
    fn written_by(is_valkey: bool, version: &str) -> Self {
        match (is_valkey, release(version)) {
            (true, (9, _)) => Self { is_valkey: true, number: 80 },
            (true, (..9, _)) | (false, (7, 1..=2)) => Self { is_valkey: false, number: 11 },
            (true, _) => Self { is_valkey: true, number: u32::MAX },
            (false, (..7, _)) => Self { is_valkey: false, number: 9 },
            (false, (7, 0)) => Self { is_valkey: false, number: 10 },
            (false, _) => Self { is_valkey: false, number: u32::MAX },
        }
    }

    /// Versions 12 to 79 belong to later versions of Redis, which no server that is run here reads. A server whose
    /// version cannot be read is taken for the oldest.
    pub(crate) fn is_read_by(self, is_redis: bool, version: &str) -> bool {
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
        if self.is_valkey {
            return !is_redis && major >= 9 && self.number <= 80;
        }
        self.number <= newest(is_redis, version)
    }
}

fn newest(is_redis: bool, version: &str) -> u32 {
    if is_redis && version.starts_with("7.0") { 10 } else { 11 }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Manifest {
        let moment = DateTime::UNIX_EPOCH;
        Manifest {
            format: PLAIN,
            origin: Origin { server_version: "8.0.1".to_owned(), ..Origin::default() },
            started_at: moment,
            completed_at: moment,
            replication_id: "a".repeat(40),
            replication_offset: 7,
            object: "dump-1.rdb.zst".to_owned(),
            compression: Manifest::compression(),
            encryption: None,
            stored_bytes: 10,
            bytes: 20,
            sha256: "00".to_owned(),
            rdb: "REDIS0011".to_owned(),
            keys: Some(BTreeMap::from([(0, 3), (5, 4)])),
            used_memory: Some(1),
        }
    }

    #[test]
    fn manifest_is_read_back_and_a_later_format_is_refused() {
        let manifest = example();
        let text = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest);
        assert_eq!(manifest.key_count(), Some(7));
        // Whatever else it says.
        let later = Manifest::parse(br#"{"format": 3, "object": {"several": []}}"#).unwrap_err();
        assert!(later.to_string().contains("format 3"), "{later}");
        for damaged in [&b"{}"[..], b"", br#"{"format": 1}"#] {
            assert!(matches!(Manifest::parse(damaged), Err(BackupError::Damaged(_))));
        }
        let other = Manifest { compression: "brotli".to_owned(), ..manifest };
        let text = serde_json::to_vec(&other).unwrap();
        assert!(matches!(Manifest::parse(&text), Err(BackupError::Incompatible(_))));
    }

    #[test]
    fn server_reads_its_own_format_and_earlier_ones() {
        let table = [
            ("REDIS0010", true, "7.2", true),
            ("REDIS0011", true, "7.2", true),
            ("REDIS0011", true, "7.0.15", false),
            ("REDIS0011", false, "8.0", true),
            ("REDIS0011", false, "9.1", true),
            // Of Redis 7.4 and later.
            ("REDIS0012", false, "9.1", false),
            ("REDIS0012", true, "7.2", false),
            ("VALKEY080", false, "9.0", true),
            ("VALKEY080", false, "10.0", true),
            ("VALKEY080", false, "8.1", false),
            ("VALKEY080", true, "7.2", false),
            ("VALKEY081", false, "9.1", false),
            ("VALKEY080", false, "unknown", false),
            ("SQLite003", false, "9.1", false),
        ];
        for (rdb, is_redis, version, reads) in table {
            let manifest = Manifest { rdb: rdb.to_owned(), ..example() };
            assert_eq!(manifest.check_server(is_redis, version).is_ok(), reads, "{rdb} {version}");
        }
    }

    #[test]
    fn server_follows_one_whose_data_it_can_read() {
        let table = [
            ((false, "8.1"), (true, "6.2.14"), true),
            ((false, "8.1"), (true, "7.2.7"), true),
            ((false, "9.0"), (true, "7.4.1"), false),
            ((false, "9.0"), (true, "8.0.0"), false),
            ((false, "8.1"), (false, "8.0.2"), true),
            ((false, "8.1"), (false, "9.0.1"), false),
            ((false, "9.0"), (false, "9.0.1"), true),
            ((false, "9.0"), (false, "10.0.0"), false),
            ((true, "7.2"), (true, "7.2.4"), true),
            ((true, "7.2"), (false, "8.0.2"), false),
            ((false, "8.0"), (false, "8.1.0"), false),
            ((true, "7.0"), (true, "7.2.4"), false),
            ((true, "7.2"), (false, "9.0.0"), false),
            ((false, "8.1"), (true, "unknown"), false),
        ];
        for (own, source, follows) in table {
            assert_eq!(can_follow(own, source), follows, "{own:?} {source:?}");
        }
    }
}
