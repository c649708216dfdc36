//! What is said about backups on the wire.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, num::NonZeroU64};
use valkeeper_backup::{BackupError, Credentials, Destination, ErrorClass, Manifest, Origin};

/// The body of `POST /v1/backup`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupRequest {
    /// Identity of the attempt: the same request may come twice.
    pub id: String,
    /// Its key in the store.
    pub key: String,
    /// Sets this attempt apart from others.
    pub attempt: String,
    /// Where to.
    pub destination: Destination,
    /// What the store asks for.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// Where the data comes from; the instance adds what it knows.
    pub origin: Origin,
    /// Whether a second server is started from what was stored.
    #[serde(default)]
    pub verify: bool,
    /// Whether the backup is stored already, so that it is only verified.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub existing: bool,
    /// How many bytes of data may pass per second; any number when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<NonZeroU64>,
    /// Bytes of memory of the container, which a second server must fit into as well; 0 for no limit.
    #[serde(default)]
    pub memory_limit: u64,
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackupState {
    /// The data is on its way.
    #[default]
    Running,
    /// It is stored, and a second server reads it.
    Verifying,
    /// All is done.
    Done,
    /// There is no backup.
    Failed,
}

impl BackupState {
    /// Whether something is still to come.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Verifying)
    }
}

/// Why there is no backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFailure {
    /// Whether it may succeed at another time, or from another instance, without an edit.
    pub passing: bool,
    /// For people.
    pub message: String,
}

impl BackupFailure {
    /// From an error.
    pub fn of(error: &BackupError) -> Self {
        Self { passing: error.class() == ErrorClass::Transient, message: error.to_string() }
    }
}

/// What a second server found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Whether it read everything.
    pub verified: bool,
    /// Its keys by database.
    #[serde(default)]
    pub keys: BTreeMap<u32, u64>,
    /// Nothing was found out, for a reason that lies outside of the backup.
    #[serde(default)]
    pub inconclusive: bool,
    /// The store answered that it has no such object. Seen once, that is inconclusive as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// There was no room for a second server. In a container of its own, it needs so many bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_memory: Option<u64>,
    /// For people.
    pub message: String,
}

impl Verification {
    /// The backup cannot be restored.
    pub(crate) fn refuted(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Nothing was found out.
    pub(crate) fn inconclusive(message: impl Into<String>) -> Self {
        Self { inconclusive: true, ..Self::refuted(message) }
    }

    /// There is no room for a second server.
    pub(crate) fn without_room(message: impl Into<String>, needs_memory: u64) -> Self {
        Self { needs_memory: Some(needs_memory), ..Self::inconclusive(message) }
    }

    /// The store has no such object, at this time.
    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self { absent: true, ..Self::inconclusive(message) }
    }

    /// What an error says about a backup whose manifest was read, or, if not `found`, is to be read.
    pub(crate) fn of(error: &BackupError, found: bool) -> Self {
        let message = format!("Cannot read the backup: {error}.");
        match error.class() {
            ErrorClass::Damaged => Self::refuted(message),
            // A store answers the same about a bucket that a wrong endpoint lacks.
            ErrorClass::NotFound if found => Self::absent(message),
            _ => Self::inconclusive(message),
        }
    }
}

/// The answer to `POST /v1/backup` and `GET /v1/backup/ID`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupAnswer {
    /// Identity of the backup.
    pub id: String,
    /// How far it is.
    pub state: BackupState,
    /// Bytes of data so far.
    pub bytes: u64,
    /// What was stored.
    #[serde(default)]
    pub manifest: Option<Manifest>,
    /// What a second server found.
    #[serde(default)]
    pub verification: Option<Verification>,
    /// Why there is no backup.
    #[serde(default)]
    pub failure: Option<BackupFailure>,
}
