//! The backups of one resource, as a table for people and as a value for programs. Pure; the time is an argument.

use crate::cli::inspect::{find::Resource, table::table};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;
use std::cmp::Reverse;
use valkeeper_api::{
    ValkeyBackup, ValkeyScheduledBackup,
    valkey_backup::{BackupDestination, SCHEDULE},
};
use valkeeper_cluster::scheduled::{Kept, kept};

/// The backups of one resource, the newest first.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) backups: Vec<Line>,
    /// What a reader of the table has to know besides.
    #[serde(skip)]
    remark: String,
}

/// One backup. What only self-hosted clusters have is absent for a managed service.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<i64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    own: Option<Own>,
}

/// What a `ValkeyBackup` tells besides.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Own {
    phase: String,
    /// Whether the last verification succeeded; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// When it is too old to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime<Utc>>,
    /// How many further backups it is kept for, whatever its age.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_after_further: Option<usize>,
    /// It is being deleted.
    is_expiring: bool,
}

/// The backups of a managed service, as its status lists them.
pub(super) fn of_service(resource: &Resource) -> List {
    let listed = resource.object.pointer("/status/backups").and_then(Value::as_array);
    let line = |backup: &Value| {
        let text = |key: &str| backup[key].as_str().map(str::to_owned);
        Line {
            name: text("name").unwrap_or_default(),
            taken_at: text("time"),
            size_bytes: backup["sizeBytes"].as_i64(),
            own: None,
        }
    };
    let backups: Vec<_> = listed.into_iter().flatten().map(line).collect();
    let newest = resource.text("/status/lastBackupTime");
    let remark = match (backups.len(), newest) {
        (0, "") => format!("Aiven reports no backup of {}.", resource.title()),
        (0, newest) => format!(
            "The status of {} lists no backups, because an older operator wrote it. The newest was taken at {newest}.",
            resource.title()
        ),
        (10.., _) => "Older backups than these are not listed.".to_owned(),
        _ => String::new(),
    };
    List {
        kind: resource.kind.name(),
        namespace: resource.namespace().to_owned(),
        name: resource.name().to_owned(),
        backups,
        remark,
    }
}

/// The backups of a self-hosted cluster.
pub(super) fn of_cluster(
    namespace: &str,
    name: &str,
    backups: &[ValkeyBackup],
    schedules: &[ValkeyScheduledBackup],
    now: DateTime<Utc>,
) -> List {
    let mut sorted: Vec<_> = backups.iter().collect();
    sorted.sort_by_key(|backup| {
        let begun = taken(backup).or_else(|| created(backup));
        Reverse((begun, backup.metadata.name.clone()))
    });
    let remark = if sorted.is_empty() {
        format!("ValkeyCluster {namespace}/{name} has no backups. To take one, apply a ValkeyBackup.")
    } else {
        String::new()
    };
    List {
        kind: "ValkeyCluster",
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        backups: sorted.into_iter().map(|backup| line(backup, backups, schedules, now)).collect(),
        remark,
    }
}

/// When the server began to send: later writes are not in the backup.
fn taken(backup: &ValkeyBackup) -> Option<DateTime<Utc>> {
    let status = backup.status.as_ref()?;
    status.started_at.or(status.completed_at)
}

fn created(backup: &ValkeyBackup) -> Option<DateTime<Utc>> {
    valkeeper_cluster::utc(backup.metadata.creation_timestamp.as_ref()?)
}

fn line(
    backup: &ValkeyBackup,
    all: &[ValkeyBackup],
    schedules: &[ValkeyScheduledBackup],
    now: DateTime<Utc>,
) -> Line {
    let status = backup.status.clone().unwrap_or_default();
    let kept = retained(backup, all, schedules, now).unwrap_or_default();
    Line {
        name: backup.metadata.name.clone().unwrap_or_default(),
        taken_at: taken(backup).map(instant),
        size_bytes: status.size_bytes,
        own: Some(Own {
            phase: status.phase.unwrap_or_else(|| "Pending".to_owned()),
            verified: status.verified.map(|verified| verified.succeeded),
            destination: url(&backup.spec.destination, status.key.as_deref()),
            endpoint: endpoint(&backup.spec.destination).cloned(),
            expires_at: kept.until,
            expires_after_further: kept.further,
            is_expiring: kept.is_going || backup.metadata.deletion_timestamp.is_some(),
        }),
    }
}

/// What the schedule of a backup keeps it for; none of a backup without a schedule.
fn retained(
    backup: &ValkeyBackup,
    all: &[ValkeyBackup],
    schedules: &[ValkeyScheduledBackup],
    now: DateTime<Utc>,
) -> Option<Kept> {
    let label = |of: &ValkeyBackup| of.metadata.labels.as_ref()?.get(SCHEDULE).cloned();
    let name = label(backup)?;
    let schedule = schedules.iter().find(|schedule| schedule.metadata.name.as_ref() == Some(&name))?;
    let siblings: Vec<_> = all.iter().filter(|other| label(other).as_ref() == Some(&name)).cloned().collect();
    kept(schedule.spec.retention.as_ref()?, backup, &siblings, now)
}

fn url(destination: &BackupDestination, key: Option<&str>) -> String {
    let BackupDestination { s3, gcs, azure, volume, encryption: _ } = destination;
    let s3 = s3.as_ref().map(|s3| ("s3", s3.bucket.clone(), &s3.prefix));
    let gcs = gcs.as_ref().map(|gcs| ("gs", gcs.bucket.clone(), &gcs.prefix));
    let azure =
        azure.as_ref().map(|azure| ("az", format!("{}/{}", azure.account, azure.container), &azure.prefix));
    let volume = volume.as_ref().map(|volume| ("pvc", volume.claim_name.clone(), &volume.prefix));
    let Some((scheme, place, prefix)) = s3.or(gcs).or(azure).or(volume) else { return String::new() };
    let parts = [Some(place.as_str()), prefix.as_deref(), key];
    format!("{scheme}://{}", parts.into_iter().flatten().collect::<Vec<_>>().join("/"))
}

fn endpoint(destination: &BackupDestination) -> Option<&String> {
    let BackupDestination { s3, gcs, azure, volume: _, encryption: _ } = destination;
    let s3 = s3.as_ref().and_then(|s3| s3.endpoint.as_ref());
    let gcs = gcs.as_ref().and_then(|gcs| gcs.endpoint.as_ref());
    s3.or(gcs).or(azure.as_ref().and_then(|azure| azure.endpoint.as_ref()))
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl List {
    /// The table, with aligned columns.
    pub(super) fn text(&self) -> String {
        let of_cluster = self.kind == "ValkeyCluster";
        let mut text = String::new();
        if !self.backups.is_empty() {
            let head: &[&str] = if of_cluster {
                &["NAME", "PHASE", "TAKEN AT", "SIZE", "VERIFIED", "EXPIRES", "DESTINATION"]
            } else {
                &["NAME", "TAKEN AT", "SIZE"]
            };
            let mut rows = vec![head.iter().map(|&word| word.to_owned()).collect()];
            rows.extend(self.backups.iter().map(Line::cells));
            text = table("", &rows);
        }
        if !self.remark.is_empty() {
            text.push_str(&self.remark);
            text.push('\n');
        }
        text
    }
}

impl Line {
    fn cells(&self) -> Vec<String> {
        // Fractions of a second help no reader.
        let taken = self.taken_at.as_deref().map(|text| {
            DateTime::parse_from_rfc3339(text).map_or_else(|_| text.to_owned(), |at| instant(at.to_utc()))
        });
        let size = self.size_bytes.map(size);
        let dash = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
        let Some(own) = &self.own else { return vec![self.name.clone(), dash(taken), dash(size)] };
        vec![
            self.name.clone(),
            own.phase.clone(),
            dash(taken),
            dash(size),
            match own.verified {
                Some(true) => "yes",
                Some(false) => "FAILED",
                None => "no",
            }
            .to_owned(),
            own.expires(),
            own.destination.clone(),
        ]
    }
}

impl Own {
    fn expires(&self) -> String {
        let further = self.expires_after_further.map(|further| format!("after {further} more"));
        match (self.is_expiring, self.expires_at.map(instant), further) {
            (true, _, _) => "now".to_owned(),
            // It is none yet, or never became one.
            _ if self.phase != "Completed" => "-".to_owned(),
            (_, Some(at), Some(further)) => format!("{at} and {further}"),
            (_, at, further) => at.or(further).unwrap_or_else(|| "never".to_owned()),
        }
    }
}

/// A number of bytes as people read it.
fn size(bytes: i64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = bytes.max(0).saturating_mul(10);
    let mut unit = "B";
    for next in units {
        if tenths < 10_240 {
            break;
        }
        (tenths, unit) = (tenths / 1024, next);
    }
    if unit == "B" { format!("{} B", tenths / 10) } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests;
