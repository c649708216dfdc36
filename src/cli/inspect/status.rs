//! `valkeeper status`: what one would otherwise gather from several commands: conditions, the service as Aiven shows
//! it, what the operator would do next, backups, maintenance, the Secret and the last events. No value of a Secret is
//! read.

mod details;
mod output;

use self::details::{Details, Event, Line, Next, SecretSeen, Token, line};
use super::{
    find::Resource,
    session::{Connection, Output, Session},
};
use crate::cluster::bounded;
use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::Value;
use std::process::ExitCode;
use valkeeper_engine::Ready;

/// How many of the last events are shown.
const EVENTS: usize = 5;

/// The flags of `valkeeper status`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  every resource is ready and in sync
  1  a resource is not, or cannot be read
  2  wrong usage

Examples:
  kubectl valkeeper status
  kubectl valkeeper status my-valkey
  kubectl valkeeper status --all-namespaces -o json")]
pub(in crate::cli) struct Status {
    /// A resource: NAME, valkey/NAME or redis/NAME; all of the namespace without it
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// All namespaces
    #[arg(long, short = 'A', conflicts_with = "name")]
    all_namespaces: bool,

    /// Output format
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,

    #[command(flatten)]
    connection: Connection,
}

impl Status {
    pub(in crate::cli) async fn run(self) -> anyhow::Result<ExitCode> {
        let session = self.connection.open().await?;
        let fine = if let Some(name) = &self.name {
            let resource = session.named(name).await?;
            let details = session.details(&resource).await?;
            self.output.write(&details.text(), &details)?;
            details.line.is_fine()
        } else {
            let all = session.all(self.all_namespaces).await?;
            let lines: Vec<_> = all.iter().map(line).collect();
            let text = if lines.is_empty() {
                "No Valkey or Redis resources.\n".to_owned()
            } else {
                output::list(&lines)
            };
            self.output.write(&text, &lines)?;
            lines.iter().all(Line::is_fine)
        };
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Session {
    async fn details(&self, resource: &Resource) -> anyhow::Result<Details> {
        let preview = resource.preview(self).await?;
        let rejected = preview.outcome.reason.starts_with("Token");
        let accepted = if rejected { Some(false) } else { preview.token.as_ref().map(|_| true) };
        let conditions = resource.object.pointer("/status/conditions").and_then(Value::as_array);
        let mut service = resource.object["status"].clone();
        for own in ["conditions", "declaredValues", "declaredFields", "migration"] {
            service.as_object_mut().map(|status| status.remove(own));
        }
        Ok(Details {
            line: line(resource),
            project: resource.text("/spec/project").to_owned(),
            deleting_since: resource.text("/metadata/deletionTimestamp").to_owned(),
            conditions: conditions.cloned().unwrap_or_default(),
            service,
            secret: self.secret(resource).await,
            token: Token { source: preview.token_source, accepted },
            next: Next {
                actions: preview
                    .actions
                    .iter()
                    .filter(|action| action.target == "aiven")
                    .map(|action| {
                        format!("{} {}", action.step, action.fields.join(", ")).trim_end().to_owned()
                    })
                    .collect(),
                changes: preview.changes,
                stuck: preview.outcome.ready == Ready::Stuck,
                reason: preview.outcome.reason.to_owned(),
                message: preview.outcome.message,
            },
            events: self.events(resource.namespace(), &resource.object["metadata"]["uid"], EVENTS).await,
        })
    }

    /// The connection Secret; only its metadata is read.
    async fn secret(&self, resource: &Resource) -> SecretSeen {
        let name = resource.text("/status/connectionSecret/name").to_owned();
        let keys = resource.object.pointer("/status/connectionSecret/keys").and_then(Value::as_array);
        let api: Api<Secret> = Api::namespaced(self.client.clone(), resource.namespace());
        let exists = if name.is_empty() {
            None
        } else {
            let found = bounded(|| format!("read Secret {name}"), api.get_metadata_opt(&name)).await;
            found.ok().map(|found| found.is_some())
        };
        SecretSeen { exists, keys: keys.cloned().unwrap_or_default(), name }
    }

    /// The last events about an object, the newest at the end; none where they may not be read.
    async fn events(&self, namespace: &str, uid: &Value, most: usize) -> Vec<Event> {
        let of = ApiResource::erase::<k8s_openapi::api::events::v1::Event>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &of);
        let listed = bounded(|| "list events".to_owned(), api.list(&ListParams::default())).await;
        let Ok(listed) = listed else { return Vec::new() };
        let mut events: Vec<_> =
            listed.items.iter().filter(|event| event.data["regarding"]["uid"] == *uid).map(event).collect();
        events.sort_by(|one, other| one.time.cmp(&other.time));
        events.split_off(events.len().saturating_sub(most))
    }
}

fn event(event: &DynamicObject) -> Event {
    let text = |key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
    Event { time: text("eventTime"), type_: text("type"), reason: text("reason"), note: text("note") }
}
