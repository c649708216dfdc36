//! Is the cluster fit: version, resource definitions, webhooks that another operator has left behind.

use super::finding::Finding;
use crate::cli::inspect::session::Session;
use crate::cluster::bounded;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, GroupVersionKind},
};
use serde_json::Value;
use valkeeper_api::{GROUP, crd};

/// The oldest version that is supported.
const OLDEST_MINOR: u32 = 30;

pub(super) async fn version(session: &Session) -> Vec<Finding> {
    const CHECK: &str = "kubernetes";
    let info = match bounded(|| "read the version".to_owned(), session.client.apiserver_version()).await {
        Ok(info) => info,
        Err(error) => return vec![Finding::error(CHECK, error.to_string(), "kubectl cluster-info")],
    };
    let digits: String = info.minor.chars().take_while(char::is_ascii_digit).collect();
    let minor = digits.parse().unwrap_or(u32::MAX);
    let release = format!("Kubernetes {}.{}", info.major, info.minor);
    if info.major == "1" && minor < OLDEST_MINOR {
        let message = format!("{release} is older than 1.{OLDEST_MINOR}, the oldest supported version");
        return vec![Finding::error(CHECK, message, "kubectl version")];
    }
    vec![Finding::ok(CHECK, release)]
}

pub(super) async fn definitions(session: &Session) -> Vec<Finding> {
    const CHECK: &str = "definitions";
    const INSTALL: &str = "valkeeper crds | kubectl apply --server-side -f -";
    let api: Api<CustomResourceDefinition> = Api::all(session.client.clone());
    let mut findings = Vec::new();
    for ours in crd::definitions() {
        let name = ours.metadata.name.clone().unwrap_or_default();
        let found = bounded(|| format!("read the definition {name}"), api.get_opt(&name)).await;
        findings.push(match found {
            Err(error) => Finding::skipped(CHECK, &error),
            Ok(None) => Finding::error(CHECK, format!("{name} is not installed"), INSTALL),
            Ok(Some(found)) => judge(&name, &ours, &found, CHECK, INSTALL),
        });
    }
    findings
}

fn judge(
    name: &str,
    ours: &CustomResourceDefinition,
    found: &CustomResourceDefinition,
    check: &'static str,
    install: &str,
) -> Finding {
    let established = found.status.iter().flat_map(|status| status.conditions.iter().flatten());
    if established.filter(|one| one.type_ == "Established").any(|one| one.status != "True") {
        return Finding::error(
            check,
            format!("{name} is not established"),
            format!("kubectl describe crd {name}"),
        );
    }
    if found.spec.conversion.as_ref().is_some_and(|conversion| conversion.strategy == "Webhook") {
        let message =
            format!("{name} converts by a webhook of another operator, which valkeeper does not serve");
        return Finding::error(check, message, install);
    }
    let paths = |definition: &CustomResourceDefinition| {
        let schema = definition.spec.versions.iter().find(|version| version.storage);
        let schema = schema.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
        let mut paths = Vec::new();
        collect(&serde_json::to_value(schema).unwrap_or_default(), "", &mut paths);
        paths
    };
    let known = paths(found);
    let missing: Vec<_> = paths(ours).into_iter().filter(|path| !known.contains(path)).collect();
    match missing.first() {
        None => {
            Finding::ok(check, format!("{name} has every field of valkeeper {}", env!("CARGO_PKG_VERSION")))
        }
        Some(first) => Finding::error(
            check,
            format!(
                "{name} is older than this program: {} fields are missing, such as {first}",
                missing.len()
            ),
            install,
        ),
    }
}

/// The paths of all properties.
fn collect(schema: &Value, path: &str, into: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        collect(property, &path, into);
        collect(&property["items"], &path, into);
        into.push(path);
    }
}

pub(super) async fn webhooks(session: &Session) -> Vec<Finding> {
    const CHECK: &str = "webhooks";
    let mut findings = Vec::new();
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        let of = ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind));
        let listed = match session.list(&of, true).await {
            Ok(listed) => listed,
            Err(error) => {
                findings.push(Finding::skipped(CHECK, &error));
                continue;
            }
        };
        for configuration in listed.iter().filter(|one| is_about_us(&one.data)) {
            let name = configuration.metadata.name.clone().unwrap_or_default();
            let message = format!(
                "{kind} {name} is for resources of {GROUP}, and valkeeper has no webhooks: if nothing serves it, every write is refused"
            );
            findings.push(Finding::error(
                CHECK,
                message,
                format!("kubectl delete {} {name}", kind.to_lowercase()),
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("none is for resources of {GROUP}")));
    }
    findings
}

/// Whether it would be called for our kinds. Those of other kinds of the group belong to the operator that serves them.
fn is_about_us(configuration: &Value) -> bool {
    let rules = configuration["webhooks"].as_array().into_iter().flatten();
    let mut rules = rules.flat_map(|webhook| webhook["rules"].as_array().into_iter().flatten());
    let has = |rule: &Value, key: &str, names: &[&str]| {
        let entries = rule[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        entries.map(|entry| entry.split('/').next().unwrap_or_default()).any(|entry| names.contains(&entry))
    };
    rules.any(|rule| {
        has(rule, "apiGroups", &[GROUP])
            && has(rule, "resources", &["valkeys", "redis", "projectvpcs", "serviceusers", "*"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_webhooks_for_our_kinds_count() {
        let of = |group: &str, resource: &str| json!({"webhooks": [{"rules": [{"apiGroups": [group], "resources": [resource]}]}]});
        assert!(is_about_us(&of(GROUP, "valkeys")) && is_about_us(&of(GROUP, "redis/status")));
        assert!(
            !is_about_us(&of(GROUP, "kafkas")) && !is_about_us(&of("apps", "*")) && !is_about_us(&json!({}))
        );
    }

    #[test]
    fn a_definition_without_a_field_is_older() {
        let ours = crd::definitions().remove(0);
        let verdict = |found: &CustomResourceDefinition| {
            judge("valkeys.aiven.io", &ours, found, "definitions", "fix").message
        };
        assert!(verdict(&ours).contains("has every field"), "{}", verdict(&ours));
        let mut old = serde_json::to_value(&ours).unwrap();
        let spec =
            &mut old["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
        spec.as_object_mut().unwrap().remove("adoptionPolicy").unwrap();
        let old = serde_json::from_value(old).unwrap();
        assert!(verdict(&old).contains("such as .spec.adoptionPolicy"), "{}", verdict(&old));
    }
}
