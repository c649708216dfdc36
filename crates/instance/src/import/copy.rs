//! A source that the own server cannot follow, because its format is later: all data is copied while nothing writes there,
//! and a second server writes it in its own format.
//!
//! ```text
//! rehearse ──cut over, quiet──▶ copy ──▶ load, count ──▶ remove what was removed since ──▶ save ──▶ unchanged? place
//! ```
//!
//! Guarantees: what is taken over is all data of the source: until the data is loaded, the stream of the source says which
//! keys have gone, such as those that have expired, and that nothing else has changed; from then on its counters do. Data
//! that the own server does not load is found in the rehearsal, before any client is stopped.

use super::{
    ImportProgress, PAUSE, Quiet, check_space,
    error::ImportError,
    follower::{Files, Follower},
    obstacle::Obstacle,
    source::Source,
};
use crate::instance::Instance;
use std::{path::PathBuf, time::Duration};
use tokio::time::Instant;
use valkeeper_backup::{Copied, Since};

/// Between two looks at a server that loads.
const LOADING: Duration = Duration::from_millis(100);

/// Waits until it was asked to take over, and does; answers where the data is.
pub(super) async fn take_over(instance: &Instance, source: &Source<'_>) -> Result<PathBuf, ImportError> {
    if !instance.restore.is_cutting_over() {
        drop(load(instance, source).await?);
    }
    let mut quiet = Quiet::default();
    let mut answered = Instant::now();
    loop {
        let look = super::look(source, &mut answered).await?;
        let unchanged = quiet.note(&look);
        let cutting_over = instance.restore.is_cutting_over();
        let is_written_to = (cutting_over && unchanged.is_none()).then_some(Obstacle::Clients);
        let obstacle = Obstacle::of_source(&look, source.max_memory()).or(is_written_to);
        let waits_for = obstacle.map(|obstacle| obstacle.to_string());
        let is_due = cutting_over && waits_for.is_none();
        instance.restore.follows(ImportProgress { cutting_over, waits_for, copies: true });
        if let (true, Some(before)) = (is_due, unchanged) {
            check_space(instance, before.used_memory)?;
            return copy_unchanged(instance, source).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// All data of a source that nothing writes to; answers where it is.
async fn copy_unchanged(instance: &Instance, source: &Source<'_>) -> Result<PathBuf, ImportError> {
    let (copied, mut server) = load(instance, source).await?;
    let loaded = source.look().await?;
    let is_same = loaded.is_primary && loaded.changes.history == copied.id;
    match source.since(&copied, loaded.offset).await? {
        Since::Removed(keys) if is_same => server.remove(&keys).await?,
        _ => return Err(source.was_written_to()),
    }
    server.save().await?;
    let saved = source.look().await?;
    if !saved.is_primary || saved.changes != loaded.changes {
        return Err(source.was_written_to());
    }
    Ok(server.end().await)
}

/// A second server that has loaded all data of the source, in a format that it reads.
async fn load(instance: &Instance, source: &Source<'_>) -> Result<(Copied, Follower), ImportError> {
    let files = Files::prepare(&instance.settings)?;
    let path = files.source_dump().map_err(|error| ImportError::Local("copy the data", error))?;
    let copied = source.copy(&path).await?;
    let keys = source.downgrade(path).await?;
    let mut server = Follower::start(instance, None, files).await?;
    let mut state = server.state().await?;
    while state.is_loading {
        tokio::time::sleep(LOADING).await;
        state = server.state().await?;
    }
    if state.keys != keys {
        let loaded = &state.keys;
        let text =
            format!("a second server has loaded {loaded:?} keys by database, and {keys:?} were copied");
        return Err(ImportError::Unsuitable(text));
    }
    Ok((copied, server))
}
