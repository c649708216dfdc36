//! What a user should know before a manifest of a `ValkeyCluster` is applied, in sentences. Pure.

use chrono::{DateTime, Utc};
use serde_json::json;
use valkeeper_api::names as api_names;
use valkeeper_cluster::{
    Desired,
    effects::{self, Change, UpdateTime},
    names,
};

/// What a user should know before it happens; `others` where pods are made of something else.
pub(super) fn notes(
    after: &Desired,
    changes: &[Change],
    replaced: &[u32],
    primary: Option<u32>,
    others: bool,
    now: DateTime<Utc>,
) -> Vec<String> {
    let mut notes = Vec::new();
    let of = |field: &str| changes.iter().find(|change| change.field == field);
    if after.paused {
        notes.push(format!(
            "The cluster is paused: the operator changes nothing until you remove annotation {}.",
            api_names::PAUSED
        ));
    }
    let lost = "ALL DATA IS LOST: the cluster has no persistence";
    if of("spec.powered").is_some_and(|change| change.to == json!(false)) {
        let data = if after.spec.persists() { "Volumes are kept" } else { lost };
        notes.push(format!("The operator stops all servers. {data}."));
    }
    let shrinks = of("spec.instances").is_some_and(|change| change.to.as_i64() < change.from.as_i64());
    if shrinks && after.spec.persists() {
        let volumes = if after.retains_volumes() { "are kept" } else { "are deleted" };
        notes.push(format!("Volumes of removed servers {volumes}."));
    }
    if replaced.is_empty() {
        return notes;
    }
    if after.instances() == 1 {
        let data = if after.spec.persists() { String::new() } else { format!(" {lost}.") };
        notes.push(format!(
            "The operator replaces the only server: clients cannot connect until it runs again.{data}"
        ));
    } else if let Some(primary) = primary.filter(|primary| replaced.contains(primary)) {
        let name = after.instance(primary);
        notes.push(format!(
            "The operator replaces primary {name} last, after a switchover: clients reconnect once."
        ));
    }
    if let Some(value) =
        effects::required_approval(after).filter(|_| primary.is_some_and(|at| replaced.contains(&at)))
    {
        let annotation = names::APPROVE_UPDATE;
        notes.push(format!("To replace the primary, set annotation {annotation}: \"{value}\"."));
    }
    match effects::update_time(after, others, now) {
        UpdateTime::Now => {}
        UpdateTime::From(Some(begin)) => {
            let begin = begin.format("%Y-%m-%d %H:%M UTC");
            notes.push(format!("The operator replaces servers in the update window that starts at {begin}."));
        }
        UpdateTime::From(None) => {
            notes.push("Cannot find the next update window. Correct spec.update.window.".to_owned());
        }
    }
    notes
}

/// What happens where a pod is not resized, which a plan cannot know.
pub(super) fn note_of_resize(after: &Desired) -> String {
    let loss = match after.instances() {
        1 if !after.spec.persists() => " ALL DATA IS LOST then: the cluster has no persistence.",
        1 => " Clients cannot connect until it runs again.",
        _ => "",
    };
    format!("If Kubernetes or a node cannot resize a running pod, the operator replaces it.{loss}")
}
