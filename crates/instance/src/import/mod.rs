//! The first start of an instance whose data comes from a running server: a second server follows that one until the
//! operator says that the cluster takes over, and what it has saved then is the data of this instance.
//!
//! ```text
//!  check ──▶ copy ──▶ follow ──cut over──▶ unchanged, caught up ──▶ save ──▶ still unchanged ──▶ place
//!                       ▲                        │ no                          │ no
//!                       └────────────────────────┴─────────────────────────────┘
//! ```
//!
//! Guarantees: the source is asked and followed, and never changed; it is taken over from only if it was not written to
//! from before it was caught up with until after the data was saved, so that no write that it has acknowledged is missing;
//! what was copied counts for nothing before that, and is copied anew after an end in the middle.
//!
//! Left to others: that no client writes to the source afterward.

mod error;
mod follower;
mod source;

pub use source::SourceServer;

use crate::{
    instance::Instance,
    restore::{self, RestoreStatus},
    settings::Persistence,
    space,
};
use error::ImportError;
use follower::Follower;
use serde::{Deserialize, Serialize};
use source::{Changes, Look, Source};
use std::{io, sync::Arc, time::Duration};
use tokio::time::Instant;
use valkeeper_backup::place;
use valkeeper_server::Replication;

/// Between two looks at the source.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the source must not have changed before it is taken over from.
const QUIET: Duration = Duration::from_secs(2);

/// The body of `POST /v1/import`. It has no `Debug`: it holds a password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportRequest {
    /// Where from.
    pub source: SourceServer,
    /// Whether the own server is a Redis.
    pub is_redis: bool,
    /// Its version, as declared.
    pub version: String,
    /// Whether this instance takes over as soon as it can.
    pub cut_over: bool,
}

/// How far an instance is that follows a running server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportProgress {
    /// Bytes of changes that are still to come; none while all data is copied, or the source does not answer.
    #[serde(default)]
    pub bytes_behind: Option<u64>,
    /// It was asked to take over.
    #[serde(default)]
    pub cutting_over: bool,
    /// What it waits for, for people.
    #[serde(default)]
    pub waits_for: Option<String>,
}

/// Begins to follow, if the instance waits for it, and takes over once it is asked to; answers how far it is.
pub(crate) fn begin(instance: &Arc<Instance>, request: ImportRequest) -> Option<RestoreStatus> {
    if request.cut_over {
        instance.restore.cut_over();
    }
    let address = request.source.address();
    let own = Arc::clone(instance);
    restore::begin_with(instance, address, async move {
        run(&own, &request).await.map_err(|error| error.failure())
    })
}

async fn run(instance: &Instance, request: &ImportRequest) -> Result<(), ImportError> {
    let mut source = Source::new(&request.source);
    let look = source.look().await?;
    source.check(&look, request, instance.settings.server.max_memory)?;
    let local = |error| ImportError::Local("read the free space", error);
    let free = space::free(&instance.settings.data_dir).map_err(local)?;
    let full = |why| ImportError::Local("copy the data", io::Error::new(io::ErrorKind::StorageFull, why));
    space::check(free, look.used_memory, 0).map_err(full)?;
    let mut follower = Follower::start(instance, &request.source).await?;
    tracing::info!(source = request.source.address(), "follows a running server");
    until_taken_over(instance, &mut source, &mut follower).await?;
    let dump = follower.end().await;
    let append_only = instance.settings.server.persistence == Persistence::AppendOnly;
    place::place(&dump, &instance.settings.data_dir, append_only).map_err(ImportError::Place)?;
    instance.memory().restored = true;
    instance.store_memory().await;
    tracing::info!(source = request.source.address(), "took over from a running server");
    Ok(())
}

/// Follows until it was asked to take over and everything is saved.
async fn until_taken_over(
    instance: &Instance,
    source: &mut Source<'_>,
    follower: &mut Follower,
) -> Result<(), ImportError> {
    let mut unchanged: Option<(Changes, Instant)> = None;
    loop {
        let look = source.look().await;
        let own = follower.replication().await?;
        unchanged = look.as_ref().ok().map(|look| match unchanged.take() {
            Some((changes, since)) if changes == look.changes => (changes, since),
            _ => (look.changes.clone(), Instant::now()),
        });
        let behind = bytes_behind(&look, &own);
        let cutting_over = instance.restore.is_cutting_over();
        let quiet = unchanged.as_ref().filter(|(_, since)| since.elapsed() >= QUIET);
        let waits_for = match &behind {
            Err(problem) => Some(problem.clone()),
            Ok(_) if cutting_over && quiet.is_none() => {
                Some("its clients to stop: it is written to".to_owned())
            }
            Ok(_) => None,
        };
        let bytes_behind = behind.ok();
        instance.restore.follows(ImportProgress { bytes_behind, cutting_over, waits_for });
        if let Some((changes, _)) = quiet.filter(|_| cutting_over && bytes_behind == Some(0)) {
            follower.save().await?;
            if source.look().await.is_ok_and(|after| after.changes == *changes) {
                return Ok(());
            }
            unchanged = None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Bytes of changes that the second server does not have yet; what it waits for, if that is not known.
fn bytes_behind(look: &Result<Look, ImportError>, own: &Replication) -> Result<u64, String> {
    let look = look.as_ref().map_err(|error| format!("the server: {error}"))?;
    if !look.is_primary {
        return Err("the server to be a primary again".to_owned());
    }
    if own.copying {
        return Err("all data to be copied".to_owned());
    }
    if !own.link_is_up || own.id != look.changes.history {
        return Err("the replication link; the log of the instance says why it is down".to_owned());
    }
    Ok(look.offset.saturating_sub(own.offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(is_primary: bool, offset: u64) -> Look {
        let changes = Changes { history: "h".to_owned(), ..Changes::default() };
        Look { is_primary, offset, changes, ..Look::default() }
    }

    fn own(link_is_up: bool, copying: bool, id: &str, offset: u64) -> Replication {
        Replication { link_is_up, copying, id: id.to_owned(), offset, ..Replication::default() }
    }

    #[test]
    fn distance_is_known_only_in_one_history() {
        let up = own(true, false, "h", 70);
        assert_eq!(bytes_behind(&Ok(look(true, 100)), &up), Ok(30));
        assert_eq!(bytes_behind(&Ok(look(true, 60)), &up), Ok(0));
        for (look, own, waits_for) in [
            (look(false, 100), up.clone(), "primary"),
            (look(true, 100), own(false, true, "h", 70), "copied"),
            (look(true, 100), own(false, false, "h", 100), "link"),
            (look(true, 100), own(true, false, "other", 100), "link"),
        ] {
            let found = bytes_behind(&Ok(look), &own).unwrap_err();
            assert!(found.contains(waits_for), "{found}");
        }
    }
}
