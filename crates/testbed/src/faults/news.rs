//! Watches with delivery faults: one change of a custom resource is lost, repeated or late, or the stream ends with
//! or without an explanation; or all changes arrive late. Every other line arrives as it was sent, and lines that are
//! only late keep their order.

use super::plan::FaultPlan;
use axum::body::{Body, BodyDataStream, Bytes};
use futures::{StreamExt as _, stream};
use serde_json::json;
use std::collections::VecDeque;
use tokio::time::Instant;

/// The fault of one change in a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It never arrives; later ones do.
    Dropped,
    /// It arrives twice.
    Repeated,
    /// It arrives after the next one.
    Swapped,
    /// The connection ends instead.
    Ended,
    /// The API server answers `410 Gone` instead.
    Gone,
}

impl News {
    /// Everything that can happen.
    pub const ALL: [Self; 5] = [Self::Dropped, Self::Repeated, Self::Swapped, Self::Ended, Self::Gone];
}

/// A watch as it is passed on.
struct Relay {
    plan: FaultPlan,
    source: BodyDataStream,
    /// What has arrived of the next line.
    partial: Vec<u8>,
    /// Lines, and when each may be passed on.
    ready: VecDeque<(Instant, Bytes)>,
    late: Option<Bytes>,
    ended: bool,
}

/// The watch `body`, as `plan` lets it arrive.
pub(super) fn relayed(plan: FaultPlan, body: Body) -> Body {
    let relay = Relay {
        plan,
        source: body.into_data_stream(),
        partial: Vec::new(),
        ready: VecDeque::new(),
        late: None,
        ended: false,
    };
    Body::from_stream(stream::unfold(relay, |mut relay| async move {
        let next = relay.next().await?;
        Some((next, relay))
    }))
}

impl Relay {
    /// The next line that is due; reads on while it waits for one.
    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        loop {
            let due = self.ready.front().map(|(due, _)| *due);
            if due.is_some_and(|due| due <= Instant::now()) {
                return self.ready.pop_front().map(|(_, line)| Ok(line));
            }
            let chunk = match due {
                None if self.ended => return None,
                None => self.source.next().await,
                Some(due) if self.ended => {
                    tokio::time::sleep_until(due).await;
                    continue;
                }
                Some(due) => tokio::select! {
                    chunk = self.source.next() => chunk,
                    () = tokio::time::sleep_until(due) => continue,
                },
            };
            match chunk {
                Some(Ok(chunk)) => self.take(&chunk),
                Some(Err(error)) => {
                    self.ended = true;
                    self.ready.clear();
                    return Some(Err(error));
                }
                None => self.ended = true,
            }
        }
    }

    fn push(&mut self, line: Bytes) {
        let lag = self.plan.watch_lag().unwrap_or_default();
        self.ready.push_back((Instant::now() + lag, line));
    }

    fn take(&mut self, chunk: &[u8]) {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(part);
            if part.ends_with(b"\n") && !self.ended {
                let line = Bytes::from(std::mem::take(&mut self.partial));
                self.pass(line);
            }
        }
    }

    fn pass(&mut self, line: Bytes) {
        let is_change = !line.starts_with(b"{\"type\":\"BOOKMARK\"");
        match is_change.then(|| self.plan.next_fault()).flatten() {
            Some(News::Dropped) => {}
            Some(News::Repeated) => {
                self.push(line.clone());
                self.push(line);
            }
            Some(News::Swapped) => self.late = Some(line),
            Some(News::Ended) => self.ended = true,
            Some(News::Gone) => {
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": "injected", "reason": "Expired", "code": 410,
                });
                let line = json!({"type": "ERROR", "object": status}).to_string() + "\n";
                self.push(line.into());
                self.ended = true;
            }
            None => {
                self.push(line);
                if let Some(late) = self.late.take_if(|_| is_change) {
                    self.push(late);
                }
            }
        }
    }
}
