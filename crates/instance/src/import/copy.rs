//! A source that the own server cannot follow, because its format is later: all data is copied once, while nothing writes
//! there, and a second server writes it in its own format.
//!
//! Guarantees: what is taken over is all data of the source, as it was when it was copied and is still: its own stream of
//! changes says that there was none in between; data that the own server would not understand is refused before any client
//! is stopped.

use super::{
    ImportProgress, PAUSE, QUIET, check_space,
    error::ImportError,
    follower::{Files, Follower},
    look::Look,
    obstacle::Obstacle,
    source::Source,
};
use crate::instance::Instance;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use tokio::time::Instant;
use valkeeper_backup::Copied;

/// Between two looks at a server that loads.
const LOADING: Duration = Duration::from_millis(100);

/// Waits until it was asked to take over, and does; answers where the data is.
pub(super) async fn take_over(instance: &Instance, source: &Source<'_>) -> Result<PathBuf, ImportError> {
    let files = Files::prepare(&instance.settings)?;
    copy(source, &files).await?;
    drop(files);
    let mut unchanged: Option<(Look, Instant)> = None;
    loop {
        let look = match source.look().await {
            Err(denied) if denied.is_denied() => return Err(denied),
            look => look,
        };
        let now = Instant::now();
        unchanged = look.as_ref().ok().map(|look| match unchanged.take() {
            Some((before, since)) if before.changes == look.changes => (look.clone(), since),
            _ => (look.clone(), now),
        });
        let quiet = unchanged.as_ref().filter(|(_, since)| now - *since >= QUIET);
        let cutting_over = instance.restore.is_cutting_over();
        let is_written_to = (cutting_over && quiet.is_none()).then_some(Obstacle::Clients);
        let obstacle = Obstacle::of_source(&look, source.max_memory()).or(is_written_to);
        let mut waits_for = obstacle.map(|obstacle| obstacle.to_string());
        let progress = |waits_for| ImportProgress { cutting_over, waits_for, copies: true };
        instance.restore.follows(progress(waits_for.clone()));
        if let (true, None, Some((before, _))) = (cutting_over, &waits_for, quiet) {
            match copy_unchanged(instance, source, before).await {
                Ok(Some(dump)) => return Ok(dump),
                Ok(None) => {}
                Err(error) if error.is_permanent() => return Err(error),
                Err(error) => waits_for = Some(error.to_string()),
            }
            instance.restore.follows(progress(waits_for));
            unchanged = None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// All data, if the source has no other since; answers where it is.
async fn copy_unchanged(
    instance: &Instance,
    source: &Source<'_>,
    before: &Look,
) -> Result<Option<PathBuf>, ImportError> {
    check_space(instance, before.used_memory)?;
    let files = Files::prepare(&instance.settings)?;
    let (copied, keys) = copy(source, &files).await?;
    let mut server = Follower::load(instance, files).await?;
    let mut state = server.state().await?;
    while state.is_loading {
        tokio::time::sleep(LOADING).await;
        state = server.state().await?;
    }
    if state.keys != keys {
        let text =
            format!("a second server has loaded {:?} keys by database, and {keys:?} were copied", state.keys);
        return Err(ImportError::Unsuitable(text));
    }
    server.save().await?;
    let look = source.look().await?;
    let is_same =
        look.is_primary && look.changes.run == before.changes.run && look.changes.history == copied.id;
    if !is_same || source.has_changed(&copied, look.offset).await? {
        return Ok(None);
    }
    Ok(Some(server.end().await))
}

/// Copies all data into the folder of a second server, in a format that it reads; answers how many keys there are.
async fn copy(source: &Source<'_>, files: &Files) -> Result<(Copied, BTreeMap<u32, u64>), ImportError> {
    let path = files.source_dump().map_err(|error| ImportError::Local("copy the data", error))?;
    let copied = source.copy(&path).await?;
    let keys = source.downgrade(path).await?;
    Ok((copied, keys))
}
