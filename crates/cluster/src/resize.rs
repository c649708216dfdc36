//! More memory, or another request for CPU, for servers that run: their pods are resized in place where Kubernetes can do
//! that. Pure; the time is part of what was observed.
//!
//! ```text
//!                 Begin                Ask                    Finish
//! other revision ───────> no revision ─────> kubelet resizes ────────> revision as declared
//!        │                     │                    │
//!        │ less memory, or     │ refused            │ PENDING_TIMEOUT,
//!        │ no server runs      ▼                    │ RESIZE_TIMEOUT
//!        │          successor refused as well?      │
//!        │                     │ no    └──yes──> kept
//!        └─────────────────────┴──> replaced (rollout) <──┘
//! ```
//!
//! Guarantees: a pod counts as declared only after its kubelet reports the new memory; the primary is resized after all its
//! replicas, which hold the same data; a pod that is not resized is left to the rollout, unless Kubernetes would refuse its
//! successor, too.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::names::reason;
use crate::observed::Observed;
use crate::pod::{revision, revision_without_resources};
use crate::pod_seen::PodSeen;
use crate::quantity;
use crate::report::State;
use crate::settings;
use crate::step::{RequeueClass, Step};
use chrono::{DateTime, TimeDelta, Utc};

/// A kubelet that has not resized a pod within so long is not waited for: some take the request and never act.
const RESIZE_TIMEOUT: TimeDelta = TimeDelta::minutes(2);
/// A kubelet that says for so long that it cannot is not waited for. What it says at first may be about an earlier request.
const PENDING_TIMEOUT: TimeDelta = TimeDelta::seconds(30);
/// Nodes keep a request for CPU as a whole number of shares: what comes back may differ by so many thousandths.
const CPU_ROUNDING: u64 = 2;

/// What the container of a server has of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of memory, which are request and limit.
    pub memory: u64,
    /// Requested thousandths of a CPU.
    pub cpu: Option<u64>,
}

/// How far a pod is with other resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResizeSeen {
    /// What the pod asks for.
    pub asked: Resources,
    /// What its container has; none from a kubelet that resizes no pods.
    pub actual: Option<Resources>,
    /// The kubelet is changing them.
    pub in_progress: bool,
    /// The kubelet cannot change them, now or ever.
    pub pending: bool,
    /// The kubelet knows what the pod asks for.
    pub is_known: bool,
    /// What the operator began to make of it.
    pub began: Option<ResizeBegun>,
    /// Kubernetes has refused the change.
    pub refusal: Option<Refusal>,
}

/// A resize that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResizeBegun {
    /// The revision that the pod is to have.
    pub revision: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What Kubernetes has refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The resize.
    Resize,
    /// The resize, and a pod with these resources as well; in its words.
    Successor(String),
}

/// A part of a resize, which is one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeStep {
    /// Note that the pod is of no revision from now on.
    Begin,
    /// Ask for the resources.
    Ask,
    /// Note that the pod is as declared.
    Finish,
}

/// What is next for a pod of another revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is replaced.
    Replace,
    /// This write.
    Write(ResizeStep),
    /// The kubelet.
    Wait,
    /// A user: it is kept, because of what Kubernetes says.
    Keep(String),
}

/// What the servers of a cluster should have.
pub fn declared(desired: &Desired) -> Resources {
    let resources = &desired.spec.resources;
    Resources {
        memory: settings::bytes(&resources.memory),
        cpu: resources.cpu.as_deref().and_then(quantity::milli),
    }
}

/// Bytes of memory that every server may use: no more than any of them has.
pub(crate) fn usable_memory(desired: &Desired, observed: &Observed) -> u64 {
    let pods = observed.pods.range(..desired.instances()).map(|(_, pod)| pod);
    let running = pods.filter(|pod| !pod.foreign && !pod.deleting && !pod.finished);
    let memory = running.map(|pod| pod.resize.actual.unwrap_or(pod.resize.asked).memory);
    memory.filter(|memory| *memory > 0).chain([declared(desired).memory]).min().unwrap_or_default()
}

/// Whether a pod of another revision becomes what is declared without being replaced.
pub fn is_possible(desired: &Desired, pod: &PodSeen, now: DateTime<Utc>) -> bool {
    next(desired, pod, now) != Next::Replace
}

/// Whether a pod asks for what is declared. A request for CPU that is not declared may come from a default of the namespace.
pub fn is_asked(desired: &Desired, pod: &PodSeen) -> bool {
    let (asked, wanted) = (pod.resize.asked, declared(desired));
    asked.memory == wanted.memory && (wanted.cpu.is_none() || asked.cpu == wanted.cpu)
}

pub(crate) fn next(desired: &Desired, pod: &PodSeen, now: DateTime<Utc>) -> Next {
    let (seen, wanted) = (&pod.resize, declared(desired));
    // What a kubelet reports of a container that does not run is what it may have, not what it has.
    if pod.ended || pod.unstarted || pod.finished {
        return Next::Replace;
    }
    let Some(actual) = seen.actual else { return Next::Replace };
    // A server that is given less memory than it uses would be ended.
    if pod.revision_without_resources != revision_without_resources(desired) || wanted.memory < actual.memory
    {
        return Next::Replace;
    }
    let begun = seen.began.as_ref().filter(|begun| begun.revision == revision(desired));
    let Some(begun) = begun else { return Next::Write(ResizeStep::Begin) };
    let (is_asked, elapsed) = (is_asked(desired, pod), now - begun.at);
    if has(seen, actual, wanted) && (is_asked || seen.refusal.is_some()) {
        return Next::Write(ResizeStep::Finish);
    }
    match &seen.refusal {
        Some(Refusal::Resize) => return Next::Replace,
        Some(Refusal::Successor(words)) => return Next::Keep(words.clone()),
        None => {}
    }
    if is_asked {
        let is_over = elapsed > RESIZE_TIMEOUT || seen.pending && elapsed > PENDING_TIMEOUT;
        return if is_over { Next::Replace } else { Next::Wait };
    }
    // The time that a kubelet is given begins with the request.
    Next::Write(if elapsed > PENDING_TIMEOUT { ResizeStep::Begin } else { ResizeStep::Ask })
}

/// Whether the container has what is declared.
fn has(seen: &ResizeSeen, actual: Resources, wanted: Resources) -> bool {
    let is_near = |wanted: u64| actual.cpu.is_some_and(|actual| actual.abs_diff(wanted) <= CPU_ROUNDING);
    let cpu = seen.is_known || wanted.cpu.is_none_or(is_near);
    actual.memory == wanted.memory && cpu && !seen.in_progress && !seen.pending
}

/// The next part of a resize: of the replica with the highest number first, and of the primary last.
pub(crate) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    let wanted = revision(desired);
    let primary = observed.primary().map(|(ordinal, _)| ordinal);
    let ours = observed.pods.range(..desired.instances()).filter(|(_, pod)| !pod.foreign);
    let others: Vec<_> = ours.filter(|(_, pod)| pod.revision != wanted).collect();
    let is_last = |ordinal: u32| primary == Some(ordinal) && others.len() > 1;
    let due = others.iter().rev().filter(|(ordinal, pod)| !pod.deleting && !is_last(**ordinal));
    let mut found = Concern::fine();
    for (ordinal, pod) in due {
        let name = desired.instance(**ordinal);
        let finding = match next(desired, pod, observed.now) {
            Next::Write(step) => return Concern::act(Step::ResizePod(**ordinal, pod.uid.clone(), step)),
            Next::Wait => {
                let message = format!("Waiting for the kubelet to resize pod {name}.");
                Concern::waits(RequeueClass::Active, State::Updating, reason::UPDATING, message)
            }
            Next::Keep(words) => {
                let words = words.trim_end_matches('.');
                let message = format!(
                    "Cannot resize pod {name}, which keeps its resources: {words}. Correct spec.resources, or the quota or \
                     policy; the operator retries automatically."
                );
                Concern::is_stuck(RequeueClass::Steady, State::Running, reason::RESIZE_REFUSED, message)
            }
            Next::Replace => continue,
        };
        found = found.and(|| finding);
    }
    found
}
