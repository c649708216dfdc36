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
//! what was copied counts for nothing before that, and is copied again after an end in the middle. A source that cannot be
//! followed is copied instead ([`copy`]).
//!
//! Left to others: that no client writes to the source afterward.

mod copy;
mod error;
mod follower;
mod look;
mod obstacle;
mod source;
mod tls;

pub use source::SourceServer;
pub(crate) use tls::remove_leftovers;
pub use tls::{ClientCertificate, SourceTls};

use crate::{
    instance::Instance,
    restore::{self, RestoreStatus},
    space,
};
use error::ImportError;
use follower::{Files, Follower, FollowerState};
use look::Look;
use obstacle::Obstacle;
use serde::{Deserialize, Serialize};
use source::{Source, Way};
use std::{io, sync::Arc, time::Duration};
use tls::SourceFiles;
use tokio::time::Instant;

/// Between two looks at the source.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the source must not have changed before it is taken over from.
const QUIET: Duration = Duration::from_secs(2);
/// The link may be down for so long before everything is retried, with the password of then.
const LINK_TIMEOUT: Duration = Duration::from_mins(5);
/// A link that was down for less is being made.
const LINK_SETUP: Duration = Duration::from_secs(10);
/// The link may lead to another server than the name for so long before it is replaced.
const DETOUR_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// It was asked to take over.
    #[serde(default)]
    pub cutting_over: bool,
    /// What it waits for, for people.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// The source cannot be followed, and is copied when it is taken over from.
    #[serde(default)]
    pub copies: bool,
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
    let tls = request.source.tls.as_ref();
    let tls = tls.map(|tls| SourceFiles::write(&instance.settings, tls)).transpose()?;
    let source = Source::new(&instance.settings, request, tls.as_ref())?;
    let files = Files::prepare(&instance.settings)?;
    let look = source.look().await?;
    let way = source.check(&look)?;
    check_space(instance, look.used_memory)?;
    tracing::info!(source = request.source.address(), ?way, "gets the data of a running server");
    let dump = match way {
        Way::Follow => {
            let mut follower = Follower::start(instance, tls.as_ref(), files).await?;
            follower.follow(&request.source).await?;
            until_taken_over(instance, &source, &mut follower).await?;
            follower.end().await
        }
        Way::Copy => {
            drop(files);
            copy::take_over(instance, &source).await?
        }
    };
    restore::place_fetched(instance, &dump).await.map_err(ImportError::Place)?;
    tracing::info!(source = request.source.address(), "took over from a running server");
    Ok(())
}

fn check_space(instance: &Instance, bytes: u64) -> Result<(), ImportError> {
    let local = |error| ImportError::Local("read the free space", error);
    let free = space::free(&instance.settings.data_dir).map_err(local)?;
    let full = |why| ImportError::Local("save the data", io::Error::new(io::ErrorKind::StorageFull, why));
    space::check(free, bytes, 0).map_err(full)
}

/// Follows until it was asked to take over and everything is saved.
async fn until_taken_over(
    instance: &Instance,
    source: &Source<'_>,
    follower: &mut Follower,
) -> Result<(), ImportError> {
    let mut quiet = Quiet::default();
    let mut up = Instant::now();
    let mut direct = Instant::now();
    let mut answered = Instant::now();
    loop {
        let look = look(source, &mut answered).await?;
        let unchanged = quiet.note(&look).cloned();
        let own = follower.state().await?;
        let obstacle = Obstacle::of(&look, &own, source.max_memory());
        if !matches!(obstacle, Some(Obstacle::Link)) {
            up = Instant::now();
        }
        if !matches!(obstacle, Some(Obstacle::AnotherServer)) {
            direct = Instant::now();
        }
        let cutting_over = instance.restore.is_cutting_over();
        let is_written_to = (cutting_over && unchanged.is_none()).then_some(Obstacle::Clients);
        let obstacle = match obstacle {
            Some(Obstacle::Link) if up.elapsed() < LINK_SETUP => Some(Obstacle::Copy),
            other => other,
        };
        let mut waits_for = obstacle.or(is_written_to).map(|obstacle| obstacle.to_string());
        if let (true, None, Some(before)) = (cutting_over, &waits_for, &unchanged) {
            match take_over(instance, source, follower, before).await {
                Ok(true) => return Ok(()),
                Ok(false) => quiet = Quiet::default(),
                Err(error) => waits_for = Some(error.to_string()),
            }
            (up, direct) = (Instant::now(), Instant::now());
        }
        instance.restore.follows(ImportProgress { cutting_over, waits_for, copies: false });
        if up.elapsed() > LINK_TIMEOUT {
            let seconds = LINK_TIMEOUT.as_secs();
            return Err(ImportError::Unready(format!("{} {seconds} s long", Obstacle::Link)));
        }
        if direct.elapsed() > DETOUR_TIMEOUT {
            follower.reconnect(source.server()).await?;
            direct = Instant::now();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How long a source has not changed.
#[derive(Default)]
struct Quiet(Option<(Look, Instant)>);

impl Quiet {
    /// Notes a look; answers the first one that showed the same, if that was long enough ago.
    fn note(&mut self, look: &Result<Look, ImportError>) -> Option<&Look> {
        let now = Instant::now();
        self.0 = look.as_ref().ok().map(|look| match self.0.take() {
            Some((before, since)) if before.changes == look.changes => (look.clone(), since),
            _ => (look.clone(), now),
        });
        self.0.as_ref().filter(|(_, since)| now - *since >= QUIET).map(|(look, _)| look)
    }
}

/// Looks at the source. One that denies it, or that has not answered for long, ends the attempt: the next one has the Secrets
/// of then.
async fn look(source: &Source<'_>, answered: &mut Instant) -> Result<Result<Look, ImportError>, ImportError> {
    match source.look().await {
        Err(error) if error.is_denied() || answered.elapsed() > LINK_TIMEOUT => Err(error),
        Err(error) => Ok(Err(error)),
        Ok(look) => {
            *answered = Instant::now();
            Ok(Ok(look))
        }
    }
}

/// Saves what is there; whether that is all of the source, as it was before and is still.
async fn take_over(
    instance: &Instance,
    source: &Source<'_>,
    follower: &mut Follower,
    before: &Look,
) -> Result<bool, ImportError> {
    check_space(instance, before.used_memory)?;
    let has_all = |own: &FollowerState| {
        own.replication.id == before.changes.history && own.replication.offset >= before.offset
    };
    // Afterward it may have more than what was saved, and before it may have something else since.
    if !has_all(&follower.state().await?) {
        return Ok(false);
    }
    follower.save().await?;
    if !has_all(&follower.state().await?) {
        return Ok(false);
    }
    let after = source.look().await?;
    Ok(after.is_primary && after.changes == before.changes)
}
