//! Deletes what is stored, in the name of the pod: stores that know pods know no operator.
//!
//! Guarantees: the same request twice is the same as once. It is answered when all is deleted.

use super::open;
use serde::{Deserialize, Serialize};
use valkeeper_backup::{BackupError, Credentials, Destination, Store};

/// The body of `POST /v1/backup/erase`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EraseRequest {
    /// The key of the backup in the store.
    pub key: String,
    /// Where it is.
    pub destination: Destination,
    /// What the store asks for.
    pub credentials: Credentials,
    /// Only uploads that were cut off are aborted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uploads_only: bool,
}

impl EraseRequest {
    /// Deletes in the store, which is that of the destination.
    pub async fn carry_out(&self, store: &Store) -> Result<(), BackupError> {
        if self.uploads_only {
            store.abort_uploads(&self.key).await.map(drop)
        } else {
            store.delete(&self.key).await
        }
    }
}

pub(crate) async fn erase(request: &EraseRequest) -> Result<(), BackupError> {
    request.carry_out(&open(Some(&request.credentials), &request.destination)?).await
}
