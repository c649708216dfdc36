//! Requests that take effect after their client's timeout: no answer is sent, and once the connection is closed, the
//! request is executed. It is executed once, as if it had just arrived.

use super::pipeline;
use super::planned::Planned;
use super::routes::Match;
use super::server::Shared;
use axum::body::Bytes;
use axum::http::request::Parts;
use axum::response::Response;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Handle;

/// A request that is held back.
pub(super) struct Held {
    pub(super) shared: Arc<Shared>,
    pub(super) sequence: u64,
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) matched: Match,
    pub(super) planned: Option<Planned>,
}

/// Never answers. The server drops the future when the client closes the connection.
pub(super) async fn hold(held: Held, after: Duration) -> Response {
    held.shared.late.fetch_add(1, Ordering::SeqCst);
    let _released = OnDrop { held: Some(held), after, runtime: Handle::current() };
    std::future::pending().await
}

struct OnDrop {
    held: Option<Held>,
    after: Duration,
    runtime: Handle,
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            let after = self.after;
            self.runtime.spawn(async move {
                tokio::time::sleep(after).await;
                held.carry_out();
            });
        }
    }
}

impl Held {
    fn carry_out(self) {
        let Self { shared, sequence, parts, body, matched, planned } = self;
        let step = shared.world().control.time_per_request;
        let outcome = pipeline::execute(&shared, sequence, &parts, &body, matched);
        shared.clock.step(step);
        if let Some(planned) = planned {
            planned.finish(Some(&outcome));
        }
        shared.late.fetch_sub(1, Ordering::SeqCst);
    }
}
