//! Requests under a [`FaultPlan`]: the numbers and faults it gives, in the terms of this provider.

use super::faults::Fault;
use super::outcome::Outcome;
use super::server::Shared;
use crate::faults::{FaultPlan, Lane, Mode, Request, Side, Started};
use axum::http::request::Parts;
use std::time::Duration;

/// Size of an answer that is far too large.
const BOMB: usize = 512 * 1024;
/// The `Retry-After` of a refusal with 429, in seconds.
const PAUSE: u64 = 1;

/// How long after its sender's timeout a late request takes effect.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// A request that a plan has numbered.
pub(super) struct Planned {
    plan: FaultPlan,
    started: Started,
}

/// Numbers the request, if there is a plan.
pub(super) async fn begin(shared: &Shared, parts: &Parts, body: &[u8]) -> Option<Planned> {
    let plan = shared.plan().clone()?;
    let request = Request {
        side: Side::Provider,
        lane: Lane::Work,
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        body: serde_json::from_slice(body).unwrap_or_default(),
    };
    let started = plan.begin(request).await;
    Some(Planned { plan, started })
}

impl Planned {
    /// What goes wrong. A crash is a request without an answer; the plan ends the one who waits for it.
    pub(super) fn fault(&self) -> Option<Fault> {
        let mode = self.started.mode?;
        let executed = mode.executes();
        Some(match mode {
            Mode::CrashBefore | Mode::CrashAfter | Mode::Hang => Fault::Hang { executed },
            Mode::LostResponse | Mode::Reset => Fault::CloseConnection { executed },
            Mode::Late => Fault::Late { after: AFTERWARDS },
            Mode::Page(code) => Fault::ProxyPage { code },
            Mode::ProjectMissing => Fault::ProjectMissing,
            Mode::SlowBody => Fault::SlowBody(Duration::from_millis(1)),
            Mode::Truncated => Fault::TruncatedBody,
            Mode::Malformed => Fault::MalformedJson,
            Mode::Oversized => Fault::OversizedBody(BOMB),
            Mode::Status(code) | Mode::StatusAfter(code) => Fault::Status {
                code,
                message: self.started.message.clone(),
                error_code: None,
                retry_after: (code == 429).then_some(PAUSE),
                executed,
            },
        })
    }

    /// Notes the outcome, and crashes if that is planned.
    pub(super) fn finish(self, outcome: Option<&Outcome>) {
        if let Some(outcome) = outcome {
            self.plan.finish(&self.started, outcome.as_ref().map_or_else(|refusal| refusal.status, |_| 200));
        }
        if self.started.mode.is_some_and(Mode::crashes) {
            self.plan.crash();
        }
    }
}
