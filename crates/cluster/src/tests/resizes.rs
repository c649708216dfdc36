//! Pods that get other resources while they run.

use super::{desired, model::Model, pods::Pod};
use crate::pod::{revision, revision_without_resources};
use crate::resize::{Next, Refusal, ResizeBegun, ResizeSeen, ResizeStep, Resources, declared, next};
use crate::{Desired, PodSeen, Step};
use chrono::{DateTime, TimeDelta};
use serde_json::json;

/// What a kubelet does with a pod that asks for other resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kubelet {
    #[default]
    Grants,
    /// It has no room.
    Defers,
    /// It takes the request and never acts.
    Ignores,
    /// It is older than resizes.
    IsOld,
    /// The API server is older than resizes.
    IsUnknown,
    /// A quota refuses the resize, and its successor.
    IsLimited,
}

impl Kubelet {
    pub(super) const ALL: [Self; 6] =
        [Self::Grants, Self::Defers, Self::Ignores, Self::IsOld, Self::IsUnknown, Self::IsLimited];

    pub(super) fn resize(self, pod: &mut Pod) {
        let resize = &mut pod.seen.resize;
        let has_started = resize.actual.is_none();
        match self {
            Self::IsOld => resize.actual = None,
            _ if has_started => resize.actual = Some(resize.asked),
            Self::Grants => (resize.actual, resize.pending) = (Some(resize.asked), false),
            Self::Defers => resize.pending = resize.actual != Some(resize.asked),
            Self::Ignores | Self::IsUnknown | Self::IsLimited => {}
        }
    }
}

impl Model {
    /// Kubernetes refuses no resize any more for want of a quota, and is asked again.
    pub(super) fn raise_quota(&mut self) {
        if self.kubelet == Kubelet::IsLimited {
            self.kubelet = Kubelet::Grants;
        }
        for pod in self.pods.values_mut() {
            pod.seen.resize.refusal.take_if(|refusal| matches!(refusal, Refusal::Successor(_)));
        }
    }

    pub(super) fn resize(&mut self, ordinal: u32, uid: &str, part: ResizeStep) {
        let (wall, wanted, revision) = (self.wall(), declared(&self.desired), revision(&self.desired));
        let pod = self.pods.get_mut(&ordinal).unwrap();
        assert_eq!(pod.seen.uid, uid);
        let seen = &mut pod.seen;
        match part {
            ResizeStep::Begin => {
                (seen.revision, seen.resize.began) =
                    (String::new(), Some(ResizeBegun { revision, at: wall }));
                seen.resize.refusal = None;
            }
            ResizeStep::Ask => match self.kubelet {
                Kubelet::IsUnknown => seen.resize.refusal = Some(Refusal::Resize),
                Kubelet::IsLimited => {
                    seen.resize.refusal = Some(Refusal::Successor("exceeded quota".to_owned()));
                }
                _ => seen.resize.asked = wanted,
            },
            ResizeStep::Finish => (seen.revision, seen.resize.began) = (revision, None),
        }
    }
}

const GIB: u64 = 1 << 30;

/// A pod of before, whose server has so much memory; two gibibytes are declared.
fn pod(memory: u64) -> PodSeen {
    let before = desired(&json!({}));
    let resources = Resources { memory, cpu: None };
    PodSeen {
        revision: revision(&before),
        revision_without_resources: revision_without_resources(&before),
        resize: ResizeSeen { asked: resources, actual: Some(resources), ..ResizeSeen::default() },
        ..PodSeen::default()
    }
}

fn two_gibibytes() -> Desired {
    desired(&json!({"resources": {"memory": "2Gi"}}))
}

fn begun(minute: i64) -> ResizeBegun {
    let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
    ResizeBegun { revision: revision(&two_gibibytes()), at }
}

/// What is next in the tenth minute.
fn in_minute_ten(pod: &PodSeen) -> Next {
    next(&two_gibibytes(), pod, DateTime::UNIX_EPOCH + TimeDelta::minutes(10))
}

#[test]
fn running_pod_gets_more_memory_step_by_step() {
    let mut pod = pod(GIB);
    assert_eq!(in_minute_ten(&pod), Next::Write(ResizeStep::Begin));
    (pod.revision, pod.resize.began) = (String::new(), Some(begun(10)));
    assert_eq!(in_minute_ten(&pod), Next::Write(ResizeStep::Ask));
    pod.resize.asked.memory = 2 * GIB;
    assert_eq!(in_minute_ten(&pod), Next::Wait, "its kubelet has not acted");
    pod.resize.actual = Some(pod.resize.asked);
    pod.resize.in_progress = true;
    assert_eq!(in_minute_ten(&pod), Next::Wait, "its kubelet has not ended");
    pod.resize.in_progress = false;
    assert_eq!(in_minute_ten(&pod), Next::Write(ResizeStep::Finish));
}

#[test]
fn pod_is_replaced_where_it_cannot_be_resized() {
    let asked = |change: fn(&mut PodSeen)| {
        let mut pod = pod(GIB);
        pod.resize.began = Some(begun(9));
        pod.resize.asked.memory = 2 * GIB;
        change(&mut pod);
        in_minute_ten(&pod)
    };
    assert_eq!(asked(|_| {}), Next::Wait, "its kubelet may act");
    for (why, change) in [
        ("no room on its node", (|pod| pod.resize.pending = true) as fn(&mut PodSeen)),
        ("refused", |pod| pod.resize.refusal = Some(Refusal::Resize)),
        ("nothing has happened", |pod| pod.resize.began = Some(begun(7))),
        ("an old kubelet", |pod| pod.resize.actual = None),
        ("less memory", |pod| pod.resize.actual = Some(Resources { memory: 3 * GIB, cpu: None })),
        ("its server ends again and again", |pod| {
            (pod.ended, pod.resize.actual) = (true, Some(pod.resize.asked));
        }),
        ("it has not started", |pod| (pod.unstarted, pod.resize.actual) = (true, Some(pod.resize.asked))),
        ("another image", |pod| pod.revision_without_resources = "of another image".to_owned()),
        ("an earlier operator", |pod| pod.revision_without_resources = String::new()),
    ] {
        assert_eq!(asked(change), Next::Replace, "{why}");
    }
    let is_kept = asked(|pod| pod.resize.refusal = Some(Refusal::Successor("exceeded quota".to_owned())));
    assert_eq!(is_kept, Next::Keep("exceeded quota".to_owned()), "its successor would not be created");
}

#[test]
fn earlier_request_of_a_pod_is_replaced_by_a_new_one() {
    let mut pod = pod(GIB);
    // Four gibibytes were more than its node has.
    pod.resize.asked.memory = 4 * GIB;
    (pod.resize.pending, pod.resize.began) = (true, Some(begun(0)));
    pod.resize.began.as_mut().unwrap().revision = "with four gibibytes".to_owned();
    assert_eq!(in_minute_ten(&pod), Next::Write(ResizeStep::Begin));
    pod.resize.began = Some(begun(10));
    assert_eq!(in_minute_ten(&pod), Next::Write(ResizeStep::Ask));
    pod.resize.asked.memory = 2 * GIB;
    assert_eq!(in_minute_ten(&pod), Next::Wait, "the kubelet has not looked at it");
}

#[test]
fn request_that_is_taken_back_needs_no_other_pod() {
    let mut pod = pod(2 * GIB);
    pod.resize.asked.memory = 4 * GIB;
    (pod.resize.began, pod.resize.refusal) = (Some(begun(0)), Some(Refusal::Resize));
    assert_eq!(in_minute_ten(&pod), Next::Write(ResizeStep::Finish), "it has what is declared");
}

#[test]
fn request_for_cpu_is_compared_as_nodes_keep_it() {
    let declared = desired(&json!({"resources": {"memory": "1Gi", "cpu": "333m"}}));
    let mut pod = pod(GIB);
    pod.revision_without_resources = revision_without_resources(&declared);
    pod.resize.began = Some(ResizeBegun { revision: revision(&declared), at: DateTime::UNIX_EPOCH });
    pod.resize.asked.cpu = Some(333);
    let after = |cpu: u64, is_known: bool| {
        let mut pod = pod.clone();
        pod.resize.actual = Some(Resources { memory: GIB, cpu: Some(cpu) });
        pod.resize.is_known = is_known;
        next(&declared, &pod, DateTime::UNIX_EPOCH)
    };
    assert_eq!(after(332, false), Next::Write(ResizeStep::Finish));
    assert_eq!(after(250, false), Next::Wait);
    assert_eq!(after(300, true), Next::Write(ResizeStep::Finish), "the kubelet has done what it can");
    pod.resize.asked.cpu = Some(334);
    assert_eq!(next(&declared, &pod, DateTime::UNIX_EPOCH), Next::Write(ResizeStep::Ask));
}

#[test]
fn primary_gets_its_memory_after_all_replicas() {
    let mut model = Model::new(desired(&json!({})));
    model.rest();
    let pods: Vec<String> = model.pods.values().map(|pod| pod.seen.uid.clone()).collect();
    let primary = model.observe().primary().unwrap().0;
    model.desired = two_gibibytes();
    model.steps.clear();
    model.rest();
    assert_eq!(model.pods.values().map(|pod| pod.seen.uid.clone()).collect::<Vec<_>>(), pods);
    let finished = model.steps.iter().filter_map(|step| match step {
        Step::ResizePod(ordinal, _, ResizeStep::Finish) => Some(*ordinal),
        _ => None,
    });
    let finished: Vec<u32> = finished.collect();
    assert_eq!((finished.len(), finished.last()), (3, Some(&primary)));
    let told = model.pods.values().map(|pod| pod.instance.as_ref().unwrap().max_memory.unwrap());
    assert!(told.min().unwrap() > GIB);
}

#[test]
fn server_uses_no_more_memory_than_every_server_has() {
    let mut model = Model::new(desired(&json!({})));
    model.rest();
    model.kubelet = Kubelet::IsLimited;
    model.desired = two_gibibytes();
    model.settle();
    let observed = model.observe();
    let report = crate::decide(&model.desired, &observed).report;
    assert_eq!(report.reason, "ResizeRefused", "{report:?}");
    model.kill(0);
    model.settle();
    let told = || model.pods.values().map(|pod| pod.instance.as_ref().unwrap().max_memory.unwrap());
    assert!(told().all(|bytes| bytes < GIB), "{:?}", told().collect::<Vec<_>>());
}
