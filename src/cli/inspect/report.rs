//! `valkeeper report`: everything that helps to find a defect, in one JSON document without secrets. Guarantees that no
//! Secret is read for it, and that passwords in specs and copies of manifests in annotations are left out.

use super::{
    doctor,
    session::{Connection, Session},
};
use clap::Args;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    process::ExitCode,
};

/// What is left out of an object, wherever it stands.
const HIDDEN: [&str; 4] =
    ["password", "managedFields", "kubectl.kubernetes.io/last-applied-configuration", "env"];

/// The flags of `valkeeper report`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  printed
  1  the cluster cannot be reached
  2  wrong usage

Example:
  kubectl valkeeper report > report.json")]
pub(in crate::cli) struct Report {
    /// Namespace of the operator
    #[arg(long, value_name = "NAME", default_value = "valkeeper-system")]
    operator_namespace: String,

    /// Name of the operator's Lease
    #[arg(long, value_name = "NAME", default_value = "valkeeper")]
    lease: String,

    #[command(flatten)]
    connection: Connection,
}

impl Report {
    pub(in crate::cli) async fn run(self) -> anyhow::Result<ExitCode> {
        let session = self.connection.open().await?;
        let findings = doctor::examine(&session, &self.operator_namespace, &self.lease).await;
        let services = session.all(true).await?;
        let mut report = json!({
            "valkeeper": env!("CARGO_PKG_VERSION"),
            "time": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            "doctor": findings,
            "services": services.into_iter().map(|resource| resource.object).collect::<Vec<_>>(),
            "others": session.no_services(true).await?,
        });
        for (name, group, kind) in [
            ("events", "events.k8s.io", "Event"),
            ("pods", "", "Pod"),
            ("leases", "coordination.k8s.io", "Lease"),
        ] {
            report[name] = session.some(group, kind).await;
        }
        hide(&mut report);
        writeln!(io::stdout().lock(), "{report:#}")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Session {
    /// The objects of a kind that are about the operator; the error where they cannot be read.
    async fn some(&self, group: &str, kind: &str) -> Value {
        let of = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        match self.list(&of, true).await {
            Ok(objects) => {
                objects.iter().filter(|object| is_ours(object)).map(|object| json!(object)).collect()
            }
            Err(error) => json!({"error": error.to_string()}),
        }
    }
}

/// Pods and leases of the operator, and events about our resources.
fn is_ours(object: &DynamicObject) -> bool {
    let label = object.metadata.labels.iter().flatten().any(|(_, value)| value == "valkeeper");
    let name = object
        .metadata
        .name
        .as_deref()
        .is_some_and(|name| name.contains("valkeeper") || name.contains("aiven.io"));
    let regarding = object.data["regarding"]["apiVersion"].as_str();
    label || name || regarding.is_some_and(|version| version.starts_with("aiven.io/"))
}

/// Removes possible secrets and parts without use for a reader.
fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !HIDDEN.contains(&key.as_str()));
            members.values_mut().for_each(hide);
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_left_out_wherever_they_stand() {
        let mut value = json!({"spec": [{"migration": {"host": "h", "password": "canary"}}], "metadata": {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "canary", "a": "b"}}});
        hide(&mut value);
        assert!(!value.to_string().contains("canary"));
        assert_eq!(value["spec"][0]["migration"]["host"], "h");
    }
}
