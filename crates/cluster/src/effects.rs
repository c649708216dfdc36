//! What another spec does to the servers of a cluster: for `kubectl valkeeper plan`. Pure.
//!
//! Guarantees: pods are replaced or resized if the revision that the operator compares differs. [`RESTART_DIRECTIVES`] lists
//! directives that need a restart; for others, the server decides.

use crate::desired::Desired;
use crate::observed::Observed;
use crate::pod::{revision, revision_without_resources};
use crate::pod_seen::PodSeen;
use crate::resize;
use crate::rollout;
use crate::settings;
pub use crate::update_window::{UpdateTime, for_pods as update_time};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_api::ValkeyClusterSpec;

/// Directives that a running server does not take, as `CONFIG SET` of Redis 7.2 to 8 and Valkey 8 to 9 answers.
pub const RESTART_DIRECTIVES: [&str; 32] = [
    "always-show-logo",
    "aof-rewrite-cpulist",
    "aof_rewrite_cpulist",
    "bgsave-cpulist",
    "bgsave_cpulist",
    "bio-cpulist",
    "bio_cpulist",
    "cluster-config-file",
    "cluster-port",
    "crash-memcheck-enabled",
    "databases",
    "disable-thp",
    "enable-debug-command",
    "enable-module-command",
    "enable-protected-configs",
    "extended-redis-compatibility",
    "io-threads",
    "io-threads-do-reads",
    "loadmodule",
    "logfile",
    "rdbchecksum",
    "rdma-port",
    "server-cpulist",
    "server_cpulist",
    "set-proc-title",
    "socket-mark-id",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
    "tcp-backlog",
    "unixsocketgroup",
    "use-exit-on-panic",
];

/// What the change of a field does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// No server is touched.
    None,
    /// Running servers take it.
    Live,
    /// Running servers do not take it, and are replaced for it.
    Restart,
    /// Pods are resized, or replaced where that is not possible.
    Resize,
    /// Pods are made of something else, and are replaced.
    Replace,
    /// Servers are added or removed.
    Scale,
    /// Volumes are enlarged.
    Grow,
    /// Servers end or start.
    Power,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where in the manifest.
    pub field: String,
    /// As it is; null where it is not set.
    pub from: Value,
    /// As it would be.
    pub to: Value,
    /// What that does.
    pub effect: Effect,
}

/// The fields in which two specs of a cluster differ.
pub fn changes(before: &Desired, after: &Desired) -> Vec<Change> {
    let (old, new) = (json(&before.spec), json(&after.spec));
    let fields: BTreeSet<Vec<String>> = leaves(&old).into_iter().chain(leaves(&new)).collect();
    let changed = fields.into_iter().filter_map(|path| {
        let (from, to) = (at(&old, &path), at(&new, &path));
        // A section that exists on one side only is listed field by field.
        let is_part = from.is_object() || to.is_object();
        (from != to && !is_part).then_some((path, from, to))
    });
    let judge = |(path, from, to): (Vec<String>, Value, Value)| {
        let effect = effect((before, after), &old, &new, &path);
        Change { field: format!("spec.{}", path.join(".")), from, to, effect }
    };
    changed.map(judge).collect()
}

/// The pods that are replaced, in order, if these are there: replicas from the highest number, then the primary.
pub fn replaced(
    desired: &Desired,
    pods: &BTreeMap<u32, PodSeen>,
    changes: &[Change],
    primary: Option<u32>,
    now: DateTime<Utc>,
) -> Vec<u32> {
    let restarts = changes.iter().any(|change| change.effect == Effect::Restart);
    let is_replaced = |pod: &PodSeen| {
        restarts || pod.revision != revision(desired) && !resize::is_possible(desired, pod, now)
    };
    in_order(desired, pods, primary, is_replaced)
}

/// The pods that are resized, in order, unless their nodes cannot.
pub fn resized(
    desired: &Desired,
    pods: &BTreeMap<u32, PodSeen>,
    primary: Option<u32>,
    now: DateTime<Utc>,
) -> Vec<u32> {
    let is_resized =
        |pod: &PodSeen| pod.revision != revision(desired) && resize::is_possible(desired, pod, now);
    in_order(desired, pods, primary, is_resized)
}

fn in_order(
    desired: &Desired,
    pods: &BTreeMap<u32, PodSeen>,
    primary: Option<u32>,
    is_meant: impl Fn(&PodSeen) -> bool,
) -> Vec<u32> {
    let stay = pods.range(..if desired.is_powered() { desired.instances() } else { 0 });
    let mut meant: Vec<u32> = stay.filter(|(_, pod)| is_meant(pod)).map(|(ordinal, _)| *ordinal).collect();
    meant.sort_unstable_by_key(|ordinal| (Some(*ordinal) == primary, u32::MAX - ordinal));
    meant
}

/// Whether one of these pods is made of something else than declared.
pub fn are_other_pods(desired: &Desired, pods: &BTreeMap<u32, PodSeen>) -> bool {
    let wanted = revision(desired);
    pods.range(..desired.instances()).any(|(_, pod)| pod.revision != wanted)
}

/// The value of the annotation that approves the update; none where none is asked for, or it is given.
pub fn required_approval(desired: &Desired) -> Option<String> {
    (!rollout::is_approved(desired)).then(|| revision(desired))
}

fn effect((before, after): (&Desired, &Desired), old: &Value, new: &Value, path: &[String]) -> Effect {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names[..] {
        ["instances"] => return Effect::Scale,
        ["powered"] => return Effect::Power,
        ["persistence", "size"] => return Effect::Grow,
        _ => {}
    }
    // As it would be without this change, or without that of the whole part where it does not stand alone.
    let reverted = spec_with(new, path, &at(old, path))
        .or_else(|| spec_with(new, &path[..1], &at(old, &path[..1])))
        .map(|spec| Desired { spec, ..after.clone() });
    let Some(reverted) = reverted else { return Effect::Replace };
    if revision(&reverted) != revision(after) {
        let is_resize = revision_without_resources(&reverted) == revision_without_resources(after);
        let is_less = resize::declared(after).memory < resize::declared(before).memory;
        return if is_resize && !is_less { Effect::Resize } else { Effect::Replace };
    }
    let settings = |desired: &Desired| settings::settings(desired, &Observed::default()).0;
    if settings(&reverted) == settings(after) {
        return Effect::None;
    }
    match names[..] {
        ["config", name] if RESTART_DIRECTIVES.contains(&name) || at(new, path).is_null() => Effect::Restart,
        _ => Effect::Live,
    }
}

fn json(spec: &ValkeyClusterSpec) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}

/// The paths of everything that is no object; lists are one value.
fn leaves(value: &Value) -> Vec<Vec<String>> {
    let Some(object) = value.as_object().filter(|object| !object.is_empty()) else {
        return vec![Vec::new()];
    };
    let below = object.iter().flat_map(|(key, value)| {
        leaves(value).into_iter().map(move |mut path| {
            path.insert(0, key.clone());
            path
        })
    });
    below.collect()
}

fn at(value: &Value, path: &[String]) -> Value {
    path.iter().try_fold(value, |value, key| value.get(key)).cloned().unwrap_or_default()
}

fn spec_with(spec: &Value, path: &[String], value: &Value) -> Option<ValkeyClusterSpec> {
    let mut spec = spec.clone();
    let (last, parents) = path.split_last()?;
    let mut place = &mut spec;
    for key in parents {
        if !place[key].is_object() {
            place[key] = Value::Object(Map::new());
        }
        place = &mut place[key];
    }
    place[last] = value.clone();
    serde_json::from_value(spec).ok()
}
