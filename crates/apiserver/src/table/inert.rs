//! The columns of the kinds that are stored without having an effect: deployments, disruption budgets, access control
//! and admission; of all other kinds, the age alone.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Column;
use super::builtin::{age_column, created_column, selector, text, wide};

pub(super) fn columns(kind: &str) -> Vec<Column> {
    let made = Column::made;
    let mut columns = vec![Column::name()];
    match kind {
        "ClusterRole" | "Role" => {
            columns.push(created_column());
            return columns;
        }
        "ClusterRoleBinding" | "RoleBinding" => {
            columns.push(made("Role", |binding, _| {
                let part = |key: &str| binding["roleRef"][key].as_str().unwrap_or_default();
                format!("{}/{}", part("kind"), part("name")).into()
            }));
            columns.push(age_column());
            columns.push(wide(made("Users", |binding, _| subjects(binding, "User"))));
            columns.push(wide(made("Groups", |binding, _| subjects(binding, "Group"))));
            columns.push(wide(made("ServiceAccounts", |binding, _| subjects(binding, "ServiceAccount"))));
            return columns;
        }
        "Deployment" => return deployments(),
        "MutatingAdmissionPolicy" => {
            columns.push(counted("Mutations", |policy, _| length(&policy["spec"]["mutations"])));
            columns.push(made("ParamKind", |policy, _| parameters(policy)));
        }
        "ValidatingAdmissionPolicy" => {
            columns.push(counted("Validations", |policy, _| length(&policy["spec"]["validations"])));
            columns.push(made("ParamKind", |policy, _| parameters(policy)));
        }
        "MutatingAdmissionPolicyBinding" | "ValidatingAdmissionPolicyBinding" => {
            columns.push(made("PolicyName", |binding, _| text(binding, "/spec/policyName", "")));
            columns.push(made("ParamRef", |binding, _| {
                let reference = &binding["spec"]["paramRef"];
                match (reference["namespace"].as_str(), reference["name"].as_str().unwrap_or("*")) {
                    _ if reference.is_null() => "<unset>".into(),
                    (Some(namespace), name) => format!("{namespace}/{name}").into(),
                    (None, name) => name.into(),
                }
            }));
        }
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            columns.push(counted("Webhooks", |configuration, _| length(&configuration["webhooks"])));
        }
        "PodDisruptionBudget" => {
            columns.push(made("Min Available", |budget, _| amount(&budget["spec"]["minAvailable"])));
            columns.push(made("Max Unavailable", |budget, _| amount(&budget["spec"]["maxUnavailable"])));
            let allowed =
                counted("Allowed Disruptions", |budget, _| number(&budget["status"]["disruptionsAllowed"]));
            columns.push(allowed);
        }
        _ => {}
    }
    columns.push(age_column());
    columns
}

fn counted(name: &str, cell: fn(&Value, DateTime<Utc>) -> Value) -> Column {
    Column { kind: "integer".to_owned(), ..Column::made(name, cell) }
}

fn deployments() -> Vec<Column> {
    let made = Column::made;
    vec![
        Column::name(),
        made("Ready", |deployment, _| {
            let (ready, wanted) = (&deployment["status"]["readyReplicas"], &deployment["spec"]["replicas"]);
            format!("{}/{}", number(ready), number(wanted)).into()
        }),
        made("Up-to-date", |deployment, _| number(&deployment["status"]["updatedReplicas"])),
        made("Available", |deployment, _| number(&deployment["status"]["availableReplicas"])),
        age_column(),
        wide(made("Containers", |deployment, _| containers(deployment, "name"))),
        wide(made("Images", |deployment, _| containers(deployment, "image"))),
        wide(made("Selector", |deployment, _| selector(&deployment["spec"]["selector"]))),
    ]
}

fn containers(deployment: &Value, field: &str) -> Value {
    let all = deployment["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten();
    all.filter_map(|container| container[field].as_str()).collect::<Vec<_>>().join(",").into()
}

fn number(value: &Value) -> Value {
    if value.is_null() { json!(0) } else { value.clone() }
}

fn length(list: &Value) -> Value {
    list.as_array().map_or(0, Vec::len).into()
}

/// A number of pods, absolute or as a percentage.
fn amount(value: &Value) -> Value {
    match value {
        Value::Null => "N/A".into(),
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

fn parameters(policy: &Value) -> Value {
    let kind = &policy["spec"]["paramKind"];
    match (kind["apiVersion"].as_str(), kind["kind"].as_str()) {
        (Some(version), Some(kind)) => format!("{version}/{kind}").into(),
        _ => "<unset>".into(),
    }
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let all = binding["subjects"].as_array().into_iter().flatten().filter(|subject| subject["kind"] == kind);
    let name = |subject: &Value| {
        let part = |key: &str| subject[key].as_str().unwrap_or_default();
        if kind == "ServiceAccount" {
            format!("{}/{}", part("namespace"), part("name"))
        } else {
            part("name").to_owned()
        }
    };
    all.map(name).collect::<Vec<_>>().join(", ").into()
}
