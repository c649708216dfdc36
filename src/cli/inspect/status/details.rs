//! The facts about a resource that `status` shows.

use crate::{cli::inspect::find::Resource, controller::Changed};
use serde::Serialize;
use serde_json::Value;

/// One resource in a list.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) plan: String,
    pub(super) state: String,
    pub(super) ready: String,
    pub(super) reason: String,
    pub(super) synced: String,
    pub(super) drifted: String,
    pub(super) last_backup_time: String,
    pub(super) message: String,
    /// Reconciliation cannot progress until a user acts.
    pub(super) stalled: bool,
}

/// Everything about one resource.
#[derive(Serialize)]
pub(super) struct Details {
    #[serde(flatten)]
    pub(super) line: Line,
    pub(super) project: String,
    pub(super) deleting_since: String,
    pub(super) conditions: Vec<Value>,
    /// The part of the status that describes the service.
    pub(super) service: Value,
    pub(super) secret: SecretSeen,
    pub(super) token: Token,
    pub(super) next: Next,
    pub(super) events: Vec<Event>,
}

#[derive(Serialize)]
pub(super) struct SecretSeen {
    pub(super) name: String,
    pub(super) keys: Vec<Value>,
    pub(super) exists: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct Token {
    pub(super) source: String,
    /// Aiven accepted it just now; unknown where it was not used.
    pub(super) accepted: Option<bool>,
}

/// What the operator would do now.
#[derive(Serialize)]
pub(super) struct Next {
    pub(super) actions: Vec<String>,
    pub(super) changes: Vec<Changed>,
    pub(super) stuck: bool,
    pub(super) reason: String,
    pub(super) message: String,
}

#[derive(Serialize)]
pub(super) struct Event {
    pub(super) time: String,
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) reason: String,
    pub(super) note: String,
}

impl Line {
    pub(super) fn is_fine(&self) -> bool {
        self.ready == "True" && self.synced != "False"
    }
}

/// The line of a resource.
pub(super) fn line(resource: &Resource) -> Line {
    let [ready, reason, message] = resource.condition("Ready");
    Line {
        kind: resource.kind.name(),
        namespace: resource.namespace().to_owned(),
        name: resource.name().to_owned(),
        plan: resource.text("/spec/plan").to_owned(),
        state: resource.text("/status/state").to_owned(),
        ready: ready.to_owned(),
        reason: reason.to_owned(),
        synced: resource.condition("Synced")[0].to_owned(),
        drifted: resource.condition("Drifted")[0].to_owned(),
        last_backup_time: resource.text("/status/lastBackupTime").to_owned(),
        message: message.to_owned(),
        stalled: resource.condition("Stalled")[0] == "True",
    }
}
