//! How resources fare: tokens and projects, what is stuck in deletion, and what is not ready.

use super::finding::Finding;
use crate::cli::inspect::find::Resource;
use crate::cli::inspect::session::Session;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) async fn check(session: &Session) -> Vec<Finding> {
    const CHECK: &str = "resources";
    let all = match session.all(true).await {
        Ok(all) => all,
        Err(error) => return vec![Finding::skipped(CHECK, &error)],
    };
    let mut findings = tokens(session, &all).await;
    findings.extend(all.iter().filter_map(|resource| condition(CHECK, resource)));
    for object in session.no_services(true).await.unwrap_or_default() {
        findings.extend(condition_of_object(CHECK, &object));
    }
    let wrong = findings.iter().filter(|finding| finding.check == CHECK).count();
    if wrong == 0 {
        findings.push(Finding::ok(CHECK, format!("all {} services are ready and in sync", all.len())));
    }
    findings
}

/// Each token once: whether Aiven accepts it, and whether it may read what the operator reads.
async fn tokens(session: &Session, all: &[Resource]) -> Vec<Finding> {
    let mut places = BTreeMap::new();
    for resource in all {
        let name = resource.text("/spec/authSecretRef/name");
        let place = if name.is_empty() {
            "the default token".to_owned()
        } else {
            format!("Secret {}/{name}", resource.namespace())
        };
        places.entry((place, resource.text("/spec/project").to_owned())).or_insert(resource);
    }
    let mut findings = Vec::new();
    for (place, resource) in places {
        findings.push(token(session, resource, &place).await);
    }
    findings
}

async fn token(session: &Session, resource: &Resource, (place, project): &(String, String)) -> Finding {
    const CHECK: &str = "tokens";
    let (namespace, name) = (resource.namespace(), resource.text("/spec/authSecretRef/name"));
    let replace = if name.is_empty() {
        "set DEFAULT_AIVEN_TOKEN of the operator, or spec.authSecretRef".to_owned()
    } else {
        let key = resource.text("/spec/authSecretRef/key");
        format!(
            "kubectl --namespace {namespace} create secret generic {name} --from-literal={key}=TOKEN --dry-run=client -o yaml | kubectl apply -f -"
        )
    };
    let own = [name, resource.text("/spec/authSecretRef/key")];
    let secret = (!name.is_empty()).then_some((own[0], own[1]));
    let token = match session.context.token_for_reading(namespace, secret).await {
        Ok(token) => token,
        Err(message) => return Finding::error(CHECK, message, replace),
    };
    let provider = session.context.provider();
    match provider.services(&token, project).await {
        Ok(mut listing) => {
            let mut withheld = false;
            while let Ok(Some(listed)) = listing.next(|_, _| true).await {
                if let crate::provider::Listed::Service(service) = listed {
                    withheld |= service.secrets_denied;
                }
            }
            if withheld {
                let message = format!("{place} has no permission service:secrets:read in project {project}");
                return Finding::error(CHECK, message, "grant the permission in the Aiven Console");
            }
            Finding::ok(CHECK, format!("{place} may read project {project}"))
        }
        Err(error) if error.status() == Some(401) => {
            Finding::error(CHECK, format!("Aiven rejects {place}: {}", error.answer()), replace)
        }
        Err(error) if matches!(error.status(), Some(403 | 404)) => {
            let visible = provider.projects(&token).await.unwrap_or_default();
            let visible = if visible.is_empty() { "none".to_owned() } else { visible.join(", ") };
            let message =
                format!("{place} may not use project {project}: {}. It may use: {visible}", error.answer());
            let kind = resource.kind.name().to_lowercase();
            Finding::error(
                CHECK,
                message,
                format!("kubectl --namespace {namespace} edit {kind} {}", resource.name()),
            )
        }
        Err(error) => Finding::warning(CHECK, error.to_string(), "curl -I https://api.aiven.io/v1/clouds"),
    }
}

/// A resource that is not as declared.
fn condition(check: &'static str, resource: &Resource) -> Option<Finding> {
    let kind = resource.kind.name().to_lowercase();
    let command =
        format!("kubectl valkeeper status {kind}/{} --namespace {}", resource.name(), resource.namespace());
    let title = resource.title();
    let [ready, reason, message] = resource.condition("Ready");
    let [stalled, ..] = resource.condition("Stalled");
    let [synced, why, failure] = resource.condition("Synced");
    let [drifted, _, fields] = resource.condition("Drifted");
    match (ready, stalled, synced, drifted) {
        ("", ..) => {
            Some(Finding::error(check, format!("{title} has no status: no operator works on it"), command))
        }
        (_, "True", ..) => Some(Finding::error(check, format!("{title}: {reason}: {message}"), command)),
        ("True", _, "False", _) => {
            Some(Finding::warning(check, format!("{title}: {why}: {failure}"), command))
        }
        ("True", _, _, "True") => Some(Finding::warning(check, format!("{title}: {fields}"), command)),
        ("True", ..) => None,
        _ => Some(Finding::warning(check, format!("{title}: {reason}: {message}"), command)),
    }
}

fn condition_of_object(check: &'static str, object: &Value) -> Option<Finding> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find(|one| one["type"] == "Ready");
    if ready.is_some_and(|ready| ready["status"] == "True") {
        return None;
    }
    let field = |key: &str| ready.and_then(|ready| ready[key].as_str()).unwrap_or("no status");
    let kind = text("/kind");
    let message = format!("{kind} {namespace}/{name}: {}: {}", field("reason"), field("message"));
    Some(Finding::warning(
        check,
        message,
        format!("kubectl --namespace {namespace} describe {} {name}", kind.to_lowercase()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::doctor::finding::Level;
    use serde_json::json;
    use valkeeper_api::Kind;

    #[test]
    fn only_what_is_ready_and_in_sync_is_well() {
        let resource = |conditions: &[(&str, &str)]| {
            let conditions: Vec<_> = conditions
                .iter()
                .map(
                    |(type_, status)| json!({"type": type_, "status": status, "reason": "R", "message": "m"}),
                )
                .collect();
            let object = json!({"metadata": {"name": "a"}, "status": {"conditions": conditions}});
            condition("resources", &Resource { kind: Kind::Valkey, object }).map(|finding| finding.level)
        };
        assert_eq!(resource(&[]), Some(Level::Error), "no operator works on it");
        assert_eq!(resource(&[("Ready", "True"), ("Synced", "True"), ("Drifted", "False")]), None);
        assert_eq!(resource(&[("Ready", "True"), ("Synced", "False")]), Some(Level::Warning));
        assert_eq!(resource(&[("Ready", "True"), ("Drifted", "True")]), Some(Level::Warning));
        assert_eq!(resource(&[("Ready", "False")]), Some(Level::Warning), "it is under way");
        assert_eq!(resource(&[("Ready", "False"), ("Stalled", "True")]), Some(Level::Error));
    }
}
