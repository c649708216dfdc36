//! The feed: one line whenever the operator reports something new, in a condition or in an event. Guarantees
//! that only the operator's own reports are shown, the same that `kubectl` shows.

use super::manifests::{NAMESPACE, resource};
use super::screen::Screen;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DynamicObject, ListParams};
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_api::Kind;

/// Reasons of events that no condition keeps long enough to be noticed.
const EVENTS: [&str; 2] = ["Drift", "SecretWritten"];

/// What was last seen of each resource.
pub(crate) struct Progress {
    client: Client,
    seen: BTreeMap<String, Report>,
    /// The events that were seen, by name.
    events: BTreeSet<String>,
}

/// The part of a resource's status that is worth a line.
pub(crate) struct Report {
    state: String,
    pub(crate) ready: bool,
    pub(crate) message: String,
}

impl Progress {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, seen: BTreeMap::new(), events: BTreeSet::new() }
    }

    /// Reads all resources and prints what changed.
    pub(crate) async fn update(&mut self, screen: &Screen) -> anyhow::Result<()> {
        let mut now = BTreeMap::new();
        for kind in Kind::ALL {
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), NAMESPACE, &resource(kind));
            for object in api.list(&ListParams::default()).await?.items {
                now.insert(
                    format!("{}/{}", kind.name().to_lowercase(), object.name_any()),
                    Report::of(&object),
                );
            }
        }
        for (name, report) in &now {
            let known = self.seen.get(name).map(Report::text);
            if known != Some(report.text()) && !report.text().is_empty() {
                screen.progress(name, report.text());
            }
        }
        for name in self.seen.keys().filter(|name| !now.contains_key(*name)) {
            screen.progress(name, "Deleted");
        }
        self.seen = now;
        self.show_events(screen).await
    }

    /// Prints events with more details than the conditions: findings and actions in between.
    async fn show_events(&mut self, screen: &Screen) -> anyhow::Result<()> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        let mut events = api.list(&ListParams::default()).await?.items;
        events.retain(|event| self.events.insert(event.name_any()));
        events.sort_by(|one, other| one.event_time.cmp(&other.event_time));
        for event in events {
            let regarding = event.regarding.unwrap_or_default();
            let kind = regarding.kind.unwrap_or_default().to_lowercase();
            let name = format!("{kind}/{}", regarding.name.unwrap_or_default());
            let note = event.note.unwrap_or_default();
            let shown = self.seen.get(&name).is_some_and(|report| report.text() == note);
            let reason = event.reason.unwrap_or_default();
            let more = event.type_.as_deref() == Some("Warning") || EVENTS.contains(&reason.as_str());
            if more && !shown {
                screen.progress(&name, &format!("{reason}: {note}"));
            }
        }
        Ok(())
    }

    /// The last report of the operator about a resource.
    pub(crate) fn report(&self, kind: Kind, name: &str) -> Option<&Report> {
        self.seen.get(&format!("{}/{name}", kind.name().to_lowercase()))
    }
}

impl Report {
    fn of(object: &DynamicObject) -> Self {
        let status = &object.data["status"];
        let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
        let field = |name: &str| ready.and_then(|ready| ready[name].as_str()).unwrap_or_default();
        Self {
            state: status["state"].as_str().unwrap_or_default().to_owned(),
            ready: field("status") == "True" && up_to_date(object, ready),
            message: field("message").to_owned(),
        }
    }

    /// The message of the operator, or the state as long as there is none.
    fn text(&self) -> &str {
        if self.message.is_empty() { &self.state } else { &self.message }
    }
}

fn up_to_date(object: &DynamicObject, ready: Option<&Value>) -> bool {
    ready.and_then(|ready| ready["observedGeneration"].as_i64()) == object.metadata.generation
}
