//! Checks whether this user has the permissions of the operator: one access review for each permission. `--as` checks
//! another user, such as the service account of the operator.

use super::finding::Finding;
use crate::cli::inspect::session::Session;
use crate::cluster::bounded;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::{Api, api::PostParams};
use serde_json::json;

/// What the roles of the chart grant: group, resource, subresource, verbs.
const NEEDED: [(&str, &str, &str, &[&str]); 11] = [
    ("aiven.io", "valkeys", "", &["get", "list", "watch", "patch"]),
    ("aiven.io", "redis", "", &["get", "list", "watch", "patch"]),
    ("aiven.io", "projectvpcs", "", &["get", "list", "watch", "patch"]),
    ("aiven.io", "serviceusers", "", &["get", "list", "watch", "patch"]),
    ("aiven.io", "valkeys", "status", &["patch"]),
    ("aiven.io", "redis", "status", &["patch"]),
    ("aiven.io", "projectvpcs", "status", &["patch"]),
    ("aiven.io", "serviceusers", "status", &["patch"]),
    ("", "secrets", "", &["get", "create", "patch"]),
    ("events.k8s.io", "events", "", &["create"]),
    ("coordination.k8s.io", "leases", "", &["get", "create", "update"]),
];

pub(super) async fn of_this_user(session: &Session) -> Vec<Finding> {
    const CHECK: &str = "permissions";
    // A question is a POST that stores nothing.
    let api: Api<SelfSubjectAccessReview> = Api::all(session.asking.clone());
    let mut missing = Vec::new();
    for (group, resource, subresource, verbs) in NEEDED {
        for verb in verbs {
            let question = json!({"spec": {"resourceAttributes": {
                "group": group, "resource": resource, "subresource": subresource, "verb": verb,
            }}});
            let Ok(question) = serde_json::from_value(question) else { continue };
            let parameters = PostParams::default();
            let answer =
                bounded(|| "ask for permissions".to_owned(), api.create(&parameters, &question)).await;
            match answer {
                Ok(answer) if answer.status.as_ref().is_some_and(|status| status.allowed) => {}
                Ok(_) => {
                    let below =
                        if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
                    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
                    missing.push(format!("{verb} {resource}{group}{below}"));
                }
                Err(error) => return vec![Finding::skipped(CHECK, &error)],
            }
        }
    }
    if missing.is_empty() {
        return vec![Finding::ok(CHECK, "this user may do everything that the operator does")];
    }
    let message = format!(
        "this user may not: {}. That only matters for the service account of the operator: ask with --as",
        missing.join(", ")
    );
    vec![Finding::warning(
        CHECK,
        message,
        "kubectl valkeeper doctor --as system:serviceaccount:valkeeper-system:valkeeper",
    )]
}
