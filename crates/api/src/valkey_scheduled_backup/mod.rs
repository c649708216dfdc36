//! The `ValkeyScheduledBackup` kind: backups at fixed times, and how long they are kept.
//!
//! Types, names and rules only. [`violations`] judges a spec by its schema, and by what a schema cannot say: whether the
//! schedule and the time zone exist.

mod schedule;
mod status;
mod violations;

pub use schedule::{Schedule, ScheduleError};
pub use status::ScheduledBackupStatus;
pub(crate) use violations::of_schedule;
pub use violations::{manifest_violations, violations};

use chrono::TimeDelta;
use kube::CustomResource;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use validator::Validate;

use super::Custom;
use super::rules::{PlacedRule, field};
use super::valkey_backup::{BackupDestination, destination};
use super::valkey_cluster::AMOUNT;

/// Name of the kind.
pub const NAME: &str = "ValkeyScheduledBackup";

#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static HOURS_OR_DAYS: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[1-9][0-9]{0,4}[hd]$").unwrap());

/// Backups at fixed times.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, JsonSchema, Validate,
)]
#[kube(
    group = "valkeeper.io",
    version = "v1alpha1",
    kind = "ValkeyScheduledBackup",
    doc = "Backups of a ValkeyCluster at fixed times, and how long they are kept. Alpha.",
    plural = "valkeyscheduledbackups",
    namespaced,
    status = "ScheduledBackupStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ValkeyScheduledBackupSpec {
    /// The `ValkeyCluster` in the same namespace whose data is backed up.
    #[validate(length(min = 1, max = 40))]
    pub cluster_name: String,
    /// When: five fields of cron, such as `15 3 * * *`.
    #[validate(length(min = 9, max = 100))]
    pub schedule: String,
    /// Time zone of the schedule, such as `Europe/Helsinki`.
    #[serde(default = "utc")]
    #[validate(length(min = 1, max = 64))]
    pub time_zone: String,
    /// Whether no backup is begun. Retention goes on.
    #[serde(default)]
    pub suspend: bool,
    /// Where backups are kept.
    #[validate(nested)]
    pub destination: BackupDestination,
    /// Whether each backup is verified; see `ValkeyBackup`.
    #[serde(default)]
    pub verify: bool,
    /// Most bytes of data per second that the server sends, such as `50Mi`; as fast as it goes when absent. A server keeps
    /// the writes of that time in its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 8), regex(path = *AMOUNT))]
    pub max_bytes_per_second: Option<String>,
    /// How often a backup is verified at least, in hours or days, such as `7d`: when none was for so long, the newest
    /// one is verified again. Never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 6), regex(path = *HOURS_OR_DAYS))]
    pub verify_every: Option<String>,
    /// How long backups are kept; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub retention: Option<Retention>,
    /// What happens to the backups of this schedule, and to what they have stored, when their cluster is deleted. `Delete`
    /// deletes the newest as well.
    #[serde(default = "keep")]
    #[schemars(extend("enum" = ["Keep", "Delete"]))]
    pub when_cluster_deleted: String,
}

fn keep() -> String {
    "Keep".to_owned()
}

/// The time zone of schedules that name none.
pub(crate) fn utc() -> String {
    "UTC".to_owned()
}

/// How long backups of a schedule are kept. With both fields, a backup is kept while either of them keeps it. The newest
/// backup that succeeded is never deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Number of backups that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 1000))]
    pub keep_last: Option<i32>,
    /// Age in hours or days, such as `36h` or `30d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 6), regex(path = *HOURS_OR_DAYS))]
    pub keep_for: Option<String>,
}

/// A number of hours or days, as in `36h` or `30d`.
pub fn hours_or_days(text: &str) -> Option<TimeDelta> {
    let number = |unit| text.strip_suffix(unit)?.parse().ok();
    number('h').and_then(TimeDelta::try_hours).or_else(|| number('d').and_then(TimeDelta::try_days))
}

/// Every CEL rule of the kind.
pub fn rules() -> Vec<PlacedRule> {
    let mut rules = vec![
        field(&["spec", "clusterName"], "self == oldSelf", "clusterName is immutable."),
        PlacedRule {
            path: Vec::new(),
            ..field(
                &["spec"],
                &format!("self.metadata.name.matches('{NAME_PATTERN}')"),
                &format!("metadata.name {NAME_RULE}."),
            )
        },
    ];
    rules.extend(destination::rules(&["spec", "destination"]));
    rules
}

/// What a schedule may be called, as a phrase that follows the field.
pub const NAME_RULE: &str =
    "is the beginning of the names of backups: at most 45 lower-case letters, digits and hyphens";
/// The names that [`NAME_RULE`] describes.
const NAME_PATTERN: &str = "^[a-z0-9]([-a-z0-9]{0,43}[a-z0-9])?$";

impl Custom for ValkeyScheduledBackup {
    const NAME: &'static str = NAME;

    type Status = ScheduledBackupStatus;

    fn reported(&self) -> Option<&ScheduledBackupStatus> {
        self.status.as_ref()
    }
}
