//! The end of an instance: a planned switchover first, then the server.
//!
//! ```text
//!   SIGTERM ─▶ ask for a successor ─▶ hold, whatever the answer ─▶ wait for a new term ─▶ end the server
//!              at most a third of      (nobody accepts writes)     at most a third          the last third
//!              the grace period
//! ```
//!
//! Guarantees: a primary accepts no writes when its server is ended; the server is asked to end before it is
//! killed; a second signal skips all waiting; one whose replicas have ended as well, such as with the whole cluster, waits
//! for no successor.

use crate::{
    instance::{Instance, lock},
    observe,
};
use std::{sync::Mutex, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use valkeeper_failover::{
    manager::{Input, LeaseAnswer},
    protocol::Role,
};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// A replica that is cut off comes back within a second, if its server runs.
const WITHOUT_REPLICAS: Duration = Duration::from_secs(3);
/// The longest wait for one answer about the lease.
const LEASE_PATIENCE: Duration = Duration::from_secs(1);

/// Ends the instance within its grace period; `hurry` skips what is waited for.
pub(crate) async fn leave(instance: &Instance, hurry: &CancellationToken) {
    let grace = Duration::from_millis(instance.settings.intervals.grace_period);
    let begun = Instant::now();
    let _ = instance.input(Input::Leave);
    let is_primary = matches!(instance.manager().role(), Role::Primary(_));
    let mut hands_over = is_primary && has_replicas(instance).await == Some(true) && !instance.is_alone();
    if hands_over {
        tracing::info!("asking for a successor");
        hands_over = until_held(instance, begun + grace / 3, hurry).await;
    }
    let _ = instance.input(Input::Stop);
    let accepting = async || instance.manager().accepts_writes();
    wait_while(accepting, begun + grace, &CancellationToken::new()).await;
    if hands_over {
        wait_while(async || !has_successor(instance).await, begun + grace * 2 / 3, hurry).await;
    }
    end_server(instance, begun + grace.saturating_sub(Duration::from_secs(1))).await;
}

/// Waits until it is held for a successor; answers whether there may be one.
async fn until_held(instance: &Instance, until: Instant, hurry: &CancellationToken) -> bool {
    let seen = Mutex::new(Instant::now());
    let is_alone = || lock(&seen).elapsed() >= WITHOUT_REPLICAS;
    let is_primary = || matches!(instance.manager().role(), Role::Primary(_));
    let waits = async || {
        // A server that is too busy to answer may well have some.
        if has_replicas(instance).await.unwrap_or(true) {
            *lock(&seen) = Instant::now();
        }
        instance.manager().accepts_writes() && !(is_primary() && is_alone())
    };
    wait_while(waits, until, hurry).await;
    !(is_primary() && is_alone())
}

/// Whether replicas are connected; none without an answer of the server.
async fn has_replicas(instance: &Instance) -> Option<bool> {
    observe::status(instance).await.server.map(|server| !server.replicas.is_empty())
}

async fn has_successor(instance: &Instance) -> bool {
    let reigned = instance.manager().reigned();
    let lease = instance.lease();
    let read = tokio::time::timeout(LEASE_PATIENCE, lease.read()).await;
    matches!(read, Ok(LeaseAnswer::Read { holder: Some(_), term, .. }) if term > reigned)
}

async fn end_server(instance: &Instance, until: Instant) {
    // Notes the last offset; a server that is held does not go beyond it.
    let _ = observe::status(instance).await;
    instance.store_memory().await;
    instance.terminate_server();
    wait_while(async || instance.has_server(), until, &CancellationToken::new()).await;
    if instance.has_server() {
        tracing::warn!("the server did not end in time");
        instance.kill_server();
        wait_while(async || instance.has_server(), Instant::now() + PAUSE * 20, &CancellationToken::new())
            .await;
    }
}

async fn wait_while(condition: impl AsyncFn() -> bool, until: Instant, hurry: &CancellationToken) {
    while !hurry.is_cancelled() && Instant::now() < until && condition().await {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = hurry.cancelled() => {}
        }
    }
}

/// Whether signals have been given; the first asks to end, the second to hurry.
pub(crate) struct Signals {
    pub(crate) first: CancellationToken,
    pub(crate) second: CancellationToken,
    count: Mutex<u32>,
}

impl Signals {
    pub(crate) fn new() -> Self {
        let (first, second) = (CancellationToken::new(), CancellationToken::new());
        Self { first, second, count: Mutex::new(0) }
    }

    /// One more.
    pub(crate) fn note(&self) {
        let mut count = lock(&self.count);
        *count += 1;
        self.first.cancel();
        if *count > 1 {
            self.second.cancel();
        }
    }
}
