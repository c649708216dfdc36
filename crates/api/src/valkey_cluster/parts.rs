//! The objects inside the spec of a `ValkeyCluster`.

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Toleration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;
use validator::Validate;

use regex::Regex;

use crate::common::SecretKeyReference;
use crate::valkey_backup::BackupDestination;
use crate::valkey_scheduled_backup::utc;

#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
pub(crate) static AMOUNT: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[1-9][0-9]{0,5}(Mi|Gi)$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static CPU: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[1-9][0-9]{0,5}m?$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static GRACE: LazyLock<Regex> = LazyLock::new(|| Regex::new("^(0s|[1-9][0-9]{0,3}[smh])$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static WINDOW: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[1-9][0-9]{0,2}[mh]$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static SECONDS: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[1-9][0-9]{0,2}s$").unwrap());

/// A server program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("enum" = ["Valkey", "Redis"]))]
pub struct EngineName(pub String);

impl Default for EngineName {
    fn default() -> Self {
        Self("Valkey".to_owned())
    }
}

/// Memory and CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct Resources {
    /// Memory of each server, such as `2Gi`: request and limit.
    #[validate(regex(path = *AMOUNT))]
    pub memory: String,
    /// CPU request of each server, such as `500m`. There is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(regex(path = *CPU))]
    pub cpu: Option<String>,
}

/// How the memory is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ClusterMemory {
    /// Percentage of `resources.memory` that data may take. By default 75, with persistence 60: saving needs memory as
    /// well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 10, max = 90))]
    pub max_memory_percent: Option<i32>,
    /// What happens when that is reached.
    #[serde(default = "no_eviction")]
    #[schemars(extend("enum" = [
        "noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu",
        "volatile-random", "volatile-ttl",
    ]))]
    pub policy: String,
}

fn no_eviction() -> String {
    "noeviction".to_owned()
}

/// Where the data is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct Persistence {
    /// `None` keeps data in memory only, `Snapshot` saves it at intervals, `AppendOnly` logs each write.
    #[schemars(extend("enum" = ["None", "Snapshot", "AppendOnly"]))]
    pub mode: String,
    /// Size of the volume of each server, such as `4Gi`; at least twice the memory is recommended. It can grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(regex(path = *AMOUNT))]
    pub size: Option<String>,
    /// Storage class of the volumes; the default one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// What happens to the volumes when the resource is deleted, and to those of servers that are scaled in.
    #[serde(default = "retain")]
    #[schemars(extend("enum" = ["Retain", "Delete"]))]
    pub when_deleted: String,
}

fn retain() -> String {
    "Retain".to_owned()
}

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Secret with the password of the default user; when absent, the operator generates one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub password_secret_ref: Option<SecretKeyReference>,
    /// How the password is changed. It changes with the Secret of `passwordSecretRef`; the operator generates another one
    /// when the annotation `valkeeper.io/rotate-password` gets another value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub rotation: Option<PasswordRotation>,
}

/// The grace period of a password, unless the spec has another one.
const TEN_MINUTES: Duration = Duration::from_mins(10);

/// How the password is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct PasswordRotation {
    /// How long servers accept the earlier password after the connection Secret has the new one, in seconds, minutes or
    /// hours, such as `10m`.
    #[serde(default = "ten_minutes")]
    #[validate(regex(path = *GRACE))]
    pub grace: String,
}

impl Default for PasswordRotation {
    fn default() -> Self {
        Self { grace: ten_minutes() }
    }
}

impl PasswordRotation {
    /// How long servers accept the earlier password.
    pub fn grace(&self) -> Duration {
        let of = |suffix: &str, scale: u64| {
            let number = self.grace.strip_suffix(suffix)?.parse::<u64>().ok()?;
            Some(Duration::from_secs(number.saturating_mul(scale)))
        };
        of("s", 1).or_else(|| of("m", 60)).or_else(|| of("h", 3600)).unwrap_or(TEN_MINUTES)
    }
}

fn ten_minutes() -> String {
    "10m".to_owned()
}

/// When another server becomes primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct Failover {
    /// How long the primary may be silent before the operator asks it to stop, such as `5s`.
    #[serde(default = "five_seconds")]
    #[validate(regex(path = *SECONDS))]
    pub after: String,
    /// What the primary does when it cannot renew its Lease for 9 seconds. With `StepDown`, it stops accepting writes. With
    /// `Continue`, it accepts writes for at most one hour while all its replicas answer that they know of no later term. With
    /// `Continue`, the operator replaces a frozen or isolated primary 10 seconds later.
    #[serde(default = "step_down")]
    #[schemars(extend("enum" = ["StepDown", "Continue"]))]
    pub api_server_outage: String,
}

fn five_seconds() -> String {
    "5s".to_owned()
}

fn step_down() -> String {
    "StepDown".to_owned()
}

/// How servers are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct Update {
    /// `Automatic` replaces the primary last, after a switchover. `Approve` waits with the primary until the annotation
    /// `valkeeper.io/approve-update` has the value that `status.revision` shows.
    #[serde(default = "automatic")]
    #[schemars(extend("enum" = ["Automatic", "Approve"]))]
    pub primary: String,
    /// When servers may be replaced for an update; at any time when absent. A server that does not work is replaced at any
    /// time. To begin earlier, set the annotation `valkeeper.io/approve-update` to the value that `status.revision` shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub window: Option<UpdateWindow>,
}

/// A time that comes again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct UpdateWindow {
    /// When it begins: five fields of cron, such as `0 3 * * 6`.
    #[validate(length(min = 9, max = 100))]
    pub schedule: String,
    /// How long it lasts, in minutes or hours, such as `2h`. A replacement that has begun is completed after it.
    #[validate(length(max = 4), regex(path = *WINDOW))]
    pub duration: String,
    /// Time zone of the schedule, such as `Europe/Helsinki`.
    #[serde(default = "utc")]
    #[validate(length(min = 1, max = 64))]
    pub time_zone: String,
}

impl UpdateWindow {
    /// How long it lasts.
    pub fn duration(&self) -> Option<TimeDelta> {
        let number = |unit| self.duration.strip_suffix(unit)?.parse().ok();
        number('m').and_then(TimeDelta::try_minutes).or_else(|| number('h').and_then(TimeDelta::try_hours))
    }
}

fn automatic() -> String {
    "Automatic".to_owned()
}

/// A backup that the deletion of a cluster waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct FinalBackup {
    /// Where it is kept.
    #[validate(nested)]
    pub destination: BackupDestination,
    /// Whether the deletion waits until a second server was started from it as well; see `ValkeyBackup`.
    #[serde(default)]
    pub verify: bool,
}

/// On which nodes servers run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Whether servers must run in different zones, or do so if possible.
    #[serde(default = "preferred")]
    #[schemars(extend("enum" = ["Preferred", "Required"]))]
    pub zones: String,
    /// Whether servers must run on different nodes, or do so if possible.
    #[serde(default = "preferred")]
    #[schemars(extend("enum" = ["Preferred", "Required"]))]
    pub hosts: String,
    /// Labels that the nodes must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints of nodes that servers tolerate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 16))]
    pub tolerations: Option<Vec<Toleration>>,
    /// Priority class of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
}

fn preferred() -> String {
    "Preferred".to_owned()
}

/// A Secret with credentials for a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct PullSecret {
    /// Name of the Secret.
    #[validate(length(min = 1))]
    pub name: String,
}
