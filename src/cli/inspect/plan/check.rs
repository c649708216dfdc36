//! Why a manifest would be refused: by the API server, or by Aiven, with what was probably meant.

use super::planned::Problem;
use crate::{
    cli::inspect::{find::Resource, session::Session},
    controller::Preview,
};
use serde_json::{Map, Value};
use valkeeper_api::validate::{spelling, validate_manifest};

/// More are counted.
const MOST_OFFERED: usize = 8;

/// What the API server would refuse.
pub(super) fn manifest(resource: &Resource, live: Option<&Resource>, manifest: &Value) -> Vec<Problem> {
    let violations = validate_manifest(resource.kind, manifest).into_iter();
    let mut problems: Vec<_> = violations.map(|violation| Problem::from(&violation)).collect();
    if let Some(live) = live {
        problems.extend(immutable(resource, &live.object["spec"], &manifest["spec"]));
    }
    problems
}

/// Fields that only count when a resource or its service is created.
fn immutable(resource: &Resource, before: &Value, after: &Value) -> Vec<Problem> {
    let plain = [
        ("/project", "spec.project"),
        ("/serviceIntegrations", "spec.serviceIntegrations"),
        ("/connInfoSecretTargetDisabled", "spec.connInfoSecretTargetDisabled"),
        ("/connInfoSecretTarget/name", "spec.connInfoSecretTarget.name"),
    ];
    let plain = plain.into_iter().map(|(pointer, field)| (pointer.to_owned(), field.to_owned()));
    let facts = resource.kind.user_config_facts().iter().filter(|fact| fact.create_only);
    let settings =
        facts.map(|fact| (format!("/userConfig/{}", fact.name), format!("spec.userConfig.{}", fact.name)));
    let changed = plain.chain(settings).filter(|(pointer, _)| {
        let at = |spec: &Value| spec.pointer(pointer).cloned().unwrap_or_default();
        let (before, after) = (at(before), at(after));
        // A Secret gets a name once; settings may be taken out.
        let named_late = pointer.ends_with("/name") && (before.is_null() || before == "");
        let taken_out = pointer.starts_with("/userConfig/") && after.is_null();
        before != after && !named_late && !taken_out
    });
    let message = "cannot be changed after creation; create another resource".to_owned();
    changed.map(|(_, field)| Problem { field, message: message.clone() }).collect()
}

impl Session {
    /// Settings that Aiven does not offer. Empty when Aiven does not answer; the plan then states the reason.
    pub(super) async fn offered(&self, resource: &Resource, preview: &Preview) -> Vec<Problem> {
        let Some(token) = &preview.token else { return Vec::new() };
        let (project, of) = (resource.text("/spec/project"), resource.kind.service_type());
        let provider = self.context.provider();
        let mut problems = Vec::new();
        let changes = |field: &str| {
            preview.service.is_none() || preview.changes.iter().any(|change| change.field == field)
        };
        if changes("spec.plan")
            && let Ok(plans) = provider.plans(token, project, of).await
        {
            problems.extend(unknown("spec.plan", resource.text("/spec/plan"), &plans, "plan"));
        }
        if changes("spec.cloudName")
            && let Ok(clouds) = provider.clouds(token, project).await
        {
            problems.extend(unknown("spec.cloudName", resource.text("/spec/cloudName"), &clouds, "cloud"));
        }
        let nothing = Map::new();
        let settings =
            resource.object.pointer("/spec/userConfig").and_then(Value::as_object).unwrap_or(&nothing);
        if !settings.is_empty()
            && let Ok(schema) = provider.settings_schema(token, project, of).await
        {
            problems.extend(settings.iter().filter_map(|(key, value)| setting(&schema, key, value)));
        }
        problems
    }
}

/// A word that is not among those that Aiven offers.
fn unknown(field: &str, written: &str, offered: &[String], what: &str) -> Option<Problem> {
    if written.is_empty() || offered.is_empty() || offered.iter().any(|one| one == written) {
        return None;
    }
    let meant = spelling::closest(written, offered.iter().map(String::as_str));
    let advice = if let Some(meant) = meant {
        format!("did you mean {meant}?")
    } else {
        let some = offered.iter().take(MOST_OFFERED).cloned().collect::<Vec<_>>().join(", ");
        let more = offered.len().saturating_sub(MOST_OFFERED);
        if more == 0 { format!("offered: {some}") } else { format!("offered: {some} and {more} more") }
    };
    let message = format!("Aiven offers no {what} {written:?} here; {advice}");
    Some(Problem { field: field.to_owned(), message })
}

/// A setting that Aiven's own schema does not take. No value of a setting with members is repeated: it may hold a
/// password.
fn setting(schema: &Value, key: &str, value: &Value) -> Option<Problem> {
    let properties = schema["properties"].as_object()?;
    let field = format!("spec.userConfig.{key}");
    let Some(property) = properties.get(key) else {
        let known: Vec<_> = properties.keys().cloned().collect();
        return unknown(&field, key, &known, "setting");
    };
    let message =
        if let Some(allowed) = property["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
            format!("{value} is none of {}", Value::from(allowed.clone()))
        } else if let (Some(number), Some(least)) = (value.as_f64(), property["minimum"].as_f64())
            && number < least
        {
            format!("{value} is less than {}", property["minimum"])
        } else if let (Some(number), Some(most)) = (value.as_f64(), property["maximum"].as_f64())
            && number > most
        {
            format!("{value} is more than {}", property["maximum"])
        } else {
            return None;
        };
    Some(Problem { field, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn typing_errors_get_what_was_meant() {
        let plans = ["startup-4".to_owned(), "business-4".to_owned()];
        assert_eq!(unknown("spec.plan", "startup-4", &plans, "plan"), None);
        let problem = unknown("spec.plan", "startup4", &plans, "plan").unwrap();
        assert!(problem.message.ends_with("did you mean startup-4?"), "{}", problem.message);
        let problem = unknown("spec.plan", "enterprise-512", &plans, "plan").unwrap();
        assert!(problem.message.ends_with("offered: startup-4, business-4"), "{}", problem.message);
    }

    #[test]
    fn settings_follow_the_schema_of_the_provider() {
        let schema = json!({"properties": {"a_policy": {"enum": ["x", "y"]}, "a_number": {"minimum": 1, "maximum": 9}}});
        let message = |key: &str, value: Value| setting(&schema, key, &value).map(|problem| problem.message);
        assert_eq!(message("a_policy", json!("x")), None);
        assert_eq!(message("a_policy", json!("z")).unwrap(), "\"z\" is none of [\"x\",\"y\"]");
        assert_eq!(message("a_number", json!(0)).unwrap(), "0 is less than 1");
        assert_eq!(message("a_number", json!(10)).unwrap(), "10 is more than 9");
        assert!(message("a_polcy", json!("x")).unwrap().contains("did you mean a_policy?"));
    }

    #[test]
    fn what_only_counts_at_creation_cannot_change() {
        let resource = Resource { kind: valkeeper_api::Kind::Valkey, object: json!({}) };
        let fields = |before: Value, after: Value| -> Vec<String> {
            immutable(&resource, &before, &after).into_iter().map(|problem| problem.field).collect()
        };
        assert_eq!(fields(json!({"project": "a"}), json!({"project": "b"})), ["spec.project"]);
        let forked = json!({"userConfig": {"service_to_fork_from": "a"}});
        assert_eq!(fields(json!({}), forked.clone()), ["spec.userConfig.service_to_fork_from"]);
        assert!(fields(forked, json!({})).is_empty());
        assert!(fields(json!({}), json!({"connInfoSecretTarget": {"name": "s"}})).is_empty());
    }
}
