//! Watches whose news go astray: one change of a custom resource is lost, told twice, told late, or the
//! stream ends with or without an explanation. Guarantees that every other line arrives as it was sent.

use super::plan::FaultPlan;
use axum::body::{Body, BodyDataStream, Bytes};
use futures::{StreamExt as _, stream};
use serde_json::json;
use std::collections::VecDeque;

/// What happens to one change that a watch tells.
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
    /// The API server says `410 Gone` instead.
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
    ready: VecDeque<Bytes>,
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
        loop {
            if let Some(line) = relay.ready.pop_front() {
                return Some((Ok(line), relay));
            }
            if relay.ended {
                return None;
            }
            match relay.source.next().await {
                Some(Ok(chunk)) => relay.take(&chunk),
                Some(Err(error)) => {
                    relay.ended = true;
                    return Some((Err(error), relay));
                }
                None => relay.ended = true,
            }
        }
    }))
}

impl Relay {
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
        let tells = !line.starts_with(b"{\"type\":\"BOOKMARK\"");
        match tells.then(|| self.plan.next_news()).flatten() {
            Some(News::Dropped) => {}
            Some(News::Repeated) => self.ready.extend([line.clone(), line]),
            Some(News::Swapped) => self.late = Some(line),
            Some(News::Ended) => self.ended = true,
            Some(News::Gone) => {
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": "injected", "reason": "Expired", "code": 410,
                });
                let line = json!({"type": "ERROR", "object": status}).to_string() + "\n";
                self.ready.push_back(line.into());
                self.ended = true;
            }
            None => {
                self.ready.push_back(line);
                if tells {
                    self.ready.extend(self.late.take());
                }
            }
        }
    }
}
