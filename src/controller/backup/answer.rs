//! What an instance or a pod answers about a backup, as decisions take it.

use valkeeper_cluster::backup::{BackupFacts, Progress, Proof};
use valkeeper_instance::backups::{BackupAnswer, BackupFailure, BackupState, Verification};

/// What a second server found.
pub(super) fn proof(found: Verification) -> Proof {
    let Verification { verified, inconclusive, absent, needs_memory, message, .. } = found;
    Proof { succeeded: verified, inconclusive, absent, needs_memory, message }
}

/// How far a backup is.
pub(super) fn progress(answer: BackupAnswer) -> Progress {
    let facts = |answer: &BackupAnswer| {
        let manifest = answer.manifest.as_ref();
        let facts = manifest.map(|manifest| BackupFacts {
            started_at: manifest.started_at,
            completed_at: manifest.completed_at,
            bytes: manifest.bytes,
            stored_bytes: manifest.stored_bytes,
            keys: manifest.key_count(),
            replication_id: manifest.replication_id.clone(),
            replication_offset: manifest.replication_offset,
            sha256: manifest.sha256.clone(),
            server_version: manifest.origin.server_version.clone(),
            verified: None,
        });
        BackupFacts { verified: answer.verification.clone().map(proof), ..facts.unwrap_or_default() }
    };
    match answer.state {
        BackupState::Running => Progress::Running,
        BackupState::Verifying => Progress::Verifying(facts(&answer)),
        BackupState::Done => Progress::Done(facts(&answer)),
        BackupState::Failed => {
            let failure = answer.failure.unwrap_or_else(|| BackupFailure {
                passing: true,
                message: "no reason was given".to_owned(),
            });
            Progress::Failed { passing: failure.passing, message: failure.message }
        }
    }
}
