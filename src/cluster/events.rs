//! Kubernetes events about custom resources. An event is emitted once per transition and off the critical path: a
//! full queue or a failing API server loses an event, never a step.

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, ResourceExt, api::PostParams};
use tokio::sync::mpsc;
use valkeeper_api::Custom;

/// How many events may wait to be sent.
const WAITING: usize = 256;
/// The longest text that the API takes.
const LONGEST: usize = 1024;
/// The name under which events are reported.
const CONTROLLER: &str = "valkeeper";

/// Where events go.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Event>,
    instance: String,
}

/// How an event should strike the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Things go their way.
    Normal,
    /// A user should read it.
    Warning,
}

impl Recorder {
    /// A recorder, and the task that sends; the task ends when the last recorder is dropped.
    pub fn start(client: Client, instance: String) -> (Self, impl Future<Output = ()>) {
        let (queue, mut events) = mpsc::channel::<Event>(WAITING);
        let sender = async move {
            let parameters = PostParams::default();
            while let Some(event) = events.recv().await {
                let namespace = event.metadata.namespace.clone().unwrap_or_default();
                let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
                let create = api.create(&parameters, &event);
                if let Err(error) = super::bounded(|| "write an event".to_owned(), create).await {
                    tracing::debug!(%error, "event lost");
                }
            }
        };
        (Self { queue, instance }, sender)
    }

    /// Emits an event: `action` led to `reason`. `note` is for people and holds no secrets.
    pub fn emit<K: Custom>(&self, object: &K, severity: Severity, reason: &str, action: &str, note: &str) {
        let now = Timestamp::now();
        let namespace = object.namespace().unwrap_or_default();
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", object.name_any(), now.as_nanosecond())),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            type_: Some(if severity == Severity::Normal { "Normal" } else { "Warning" }.to_owned()),
            reason: Some(reason.to_owned()),
            action: Some(action.to_owned()),
            note: Some(cut(note)),
            regarding: Some(ObjectReference {
                api_version: Some(K::api_version(&()).into_owned()),
                kind: Some(K::NAME.to_owned()),
                name: Some(object.name_any()),
                namespace: Some(namespace),
                uid: object.meta().uid.clone(),
                resource_version: object.meta().resource_version.clone(),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        };
        if self.queue.try_send(event).is_err() {
            tracing::debug!(reason, "event lost: too many are waiting");
        }
    }
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST - 3).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0);
    format!("{}…", &text[..end])
}
