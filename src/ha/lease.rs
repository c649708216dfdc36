//! Leader election on a `Lease`, with the protocol of client-go, so that replicas of other programs and
//! older versions that follow it understand each other.
//!
//! Guarantees: every write of the lease carries the version it was computed from, so that of two
//! candidates one loses. A lease is taken over only after this process itself has seen it unchanged for
//! its whole duration; the times written in it are for people, no decision compares wall clocks. A term
//! ends, for its [`Fence`], a margin before any other replica could begin one.

use super::Fence;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, api::PostParams};
use tokio::time::{Duration, Instant};

/// The intervals of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long another replica leaves an unchanged lease untouched.
    pub duration: Duration,
    /// How long the holder works on without being able to renew; less than `duration`.
    pub renew_deadline: Duration,
    /// Interval of reads of the lease.
    pub retry_period: Duration,
}

/// One replica that runs for leadership.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    seen: Option<(Lease, Instant)>,
    /// The last failure, so that it is logged once.
    complaint: Option<String>,
}

/// What one attempt led to.
enum Attempt {
    /// The lease is ours, counted from this moment.
    Held(Instant),
    /// Another replica holds it.
    Taken,
    /// The holder is unknown.
    Failed,
}

impl Candidate {
    /// A candidate for the lease `name`; `identity` must not be that of any other process.
    pub fn new(
        api: Api<Lease>,
        name: impl Into<String>,
        identity: impl Into<String>,
        timing: Timing,
    ) -> Self {
        let (name, identity) = (name.into(), identity.into());
        Self { api, name, identity, timing, seen: None, complaint: None }
    }

    /// Waits until this process leads; calls `looked` after each read with whether the API server answered.
    pub async fn acquire(&mut self, on_attempt: impl Fn(bool)) -> Fence {
        loop {
            let attempt = self.attempt().await;
            on_attempt(!matches!(attempt, Attempt::Failed));
            if let Attempt::Held(since) = attempt {
                return Fence::until(since + self.timing.renew_deadline);
            }
            // Spread, so that replicas do not read at the same time forever.
            tokio::time::sleep(self.timing.retry_period.mul_f64(1.0 + rand::random::<f64>() * 0.2)).await;
        }
    }

    /// Renews until that is no longer possible; then closes the fence and returns.
    pub async fn keep(&mut self, fence: &Fence) {
        let mut deadline = fence.deadline().unwrap_or_else(Instant::now);
        loop {
            tokio::time::sleep(self.timing.retry_period).await;
            match tokio::time::timeout_at(deadline, self.attempt()).await {
                Ok(Attempt::Held(since)) => {
                    deadline = since + self.timing.renew_deadline;
                    fence.move_to(deadline);
                }
                Ok(Attempt::Failed) if Instant::now() < deadline => {}
                Ok(Attempt::Taken | Attempt::Failed) | Err(_) => break,
            }
        }
        fence.close();
    }

    /// Gives the lease back, so that the next holder need not wait; does nothing if it is not ours.
    pub async fn release(&mut self) {
        self.seen = None;
        match tokio::time::timeout(self.timing.renew_deadline, self.give_back()).await {
            Ok(Ok(true)) => tracing::info!(lease = self.name, "lease released"),
            Ok(Ok(false)) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(lease = self.name, "cannot release the lease; it expires");
            }
        }
    }

    /// Whether there was something to give back.
    async fn give_back(&self) -> Result<bool, kube::Error> {
        loop {
            // Read again: an attempt may have been cut off between its effect and its answer.
            let Some(lease) = self.api.get_opt(&self.name).await? else { return Ok(false) };
            if holder(&lease) != Some(&self.identity) {
                return Ok(false);
            }
            let now = MicroTime(Timestamp::now());
            let spec = LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(1),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                ..lease.spec.unwrap_or_default()
            };
            let lease = Lease { spec: Some(spec), ..lease };
            match self.api.replace(&self.name, &PostParams::default(), &lease).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                answer => return answer.map(|_| true),
            }
        }
    }

    /// Tries once to take or renew the lease.
    async fn attempt(&mut self) -> Attempt {
        match tokio::time::timeout(self.patience(), self.take_or_renew()).await {
            Ok(Ok(attempt)) => {
                self.complaint = None;
                attempt
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Attempt::Failed,
            Ok(Err(error)) => self.complain(error.to_string()),
            Err(_) => self.complain("no answer from the Kubernetes API".to_owned()),
        }
    }

    async fn take_or_renew(&mut self) -> Result<Attempt, kube::Error> {
        // Counted from before the request: other replicas count from when they see its effect.
        let before = Instant::now();
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let created = self.api.create(&PostParams::default(), &self.claim(None)).await?;
            self.seen = Some((created, Instant::now()));
            return Ok(Attempt::Held(before));
        };
        self.see(lease);
        let Some((lease, since)) = &self.seen else { return Ok(Attempt::Failed) };
        if holder(lease).is_some_and(|holder| *holder != self.identity)
            && since.elapsed() < self.duration_of(lease)
        {
            return Ok(Attempt::Taken);
        }
        let claim = self.claim(Some(lease));
        let renewed = self.api.replace(&self.name, &PostParams::default(), &claim).await?;
        self.seen = Some((renewed, Instant::now()));
        Ok(Attempt::Held(before))
    }

    /// Notes `lease`, and when it was first seen like this.
    fn see(&mut self, lease: Lease) {
        let unchanged = self
            .seen
            .as_ref()
            .is_some_and(|(seen, _)| seen.spec == lease.spec && seen.metadata.uid == lease.metadata.uid);
        match &mut self.seen {
            Some((seen, _)) if unchanged => *seen = lease,
            seen => *seen = Some((lease, Instant::now())),
        }
    }

    /// The holder's promise, not ours: replicas of different versions may be set differently.
    fn duration_of(&self, lease: &Lease) -> Duration {
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(self.timing.duration, Duration::from_secs)
    }

    fn claim(&self, before: Option<&Lease>) -> Lease {
        let spec = before.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let ours = before.and_then(holder) == Some(&self.identity);
        let now = MicroTime(Timestamp::now());
        // Whole seconds, rounded up: other replicas may wait longer, never shorter.
        let seconds = self.timing.duration.as_millis().div_ceil(1000).try_into().unwrap_or(i32::MAX);
        Lease {
            metadata: before.map_or_else(
                || ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                |lease| lease.metadata.clone(),
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(seconds),
                acquire_time: spec.acquire_time.clone().filter(|_| ours).or_else(|| Some(now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(spec.lease_transitions.map_or(0, |count| count + i32::from(!ours))),
                ..spec
            }),
        }
    }

    /// The longest wait for one answer: short enough to try twice before the deadline.
    fn patience(&self) -> Duration {
        self.timing.renew_deadline / 2
    }

    fn complain(&mut self, complaint: String) -> Attempt {
        if self.complaint.as_ref() != Some(&complaint) {
            tracing::warn!(lease = self.name, "cannot take or renew the lease: {complaint}");
            self.complaint = Some(complaint);
        }
        Attempt::Failed
    }
}

/// Holder of the lease; none when it was given back.
fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}
