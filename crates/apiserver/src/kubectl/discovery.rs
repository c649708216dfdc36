//! What is not about objects: discovery, OpenAPI, version and health. Guarantees that discovery lists
//! exactly the resources that are served.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::builtin::subresource_verbs;
use crate::failure::Failure;
use crate::kubectl::openapi;
use crate::protocol::render;
use crate::protocol::request::{Accept, OPENAPI_PROTOBUF};
use crate::registry::{Catalog, Resource};
use crate::versions::group_version;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers a request that is not about objects; none if it is.
pub(crate) fn answer(catalog: &Catalog, path: &str, accept: Accept) -> Option<Response> {
    if accept.protobuf {
        return Some(blank_openapi());
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let found = match segments.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return Some("ok".into_response()),
        ["version"] => return Some(version()),
        ["api"] if accept.aggregated => return Some(aggregated(&groups(catalog, true))),
        ["apis"] if accept.aggregated => return Some(aggregated(&groups(catalog, false))),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let groups = catalog.groups();
            let entries = groups.iter().filter(|(group, _)| !group.is_empty());
            let entries: Vec<Value> = entries.map(|(group, versions)| group_entry(group, versions)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": entries})
        }
        ["api", version] => return Some(resources(catalog, "", version, accept)),
        ["apis", group] => {
            let Some(versions) = catalog.groups().remove(group) else {
                return Some(Failure::no_such_path().into_response());
            };
            let mut entry = group_entry(group, &versions);
            entry["kind"] = "APIGroup".into();
            entry["apiVersion"] = "v1".into();
            entry
        }
        ["apis", group, version] => return Some(resources(catalog, group, version, accept)),
        ["openapi", "v2"] => openapi::v2(&catalog.definitions),
        ["openapi", "v3"] => openapi::v3_index(&catalog.definitions),
        ["openapi", "v3", rest @ ..] => {
            let Some(document) = openapi::v3(&rest.join("/"), &catalog.definitions) else {
                return Some(Failure::no_such_path().into_response());
            };
            document
        }
        _ => return None,
    };
    Some(render::document(StatusCode::OK, accept.yaml, &found))
}

fn version() -> Response {
    let version = json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.0-valkeeper-sandbox", "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    });
    ([(header::CONTENT_TYPE, "application/json")], format!("{version:#}")).into_response()
}

/// An OpenAPI 2 document without content, in the only format in which `kubectl` reads it. `kubectl` reads it where
/// the OpenAPI 3 documents do not have a kind; the empty document reports the kind as unknown.
fn blank_openapi() -> Response {
    const SWAGGER_2_0: &[u8] = b"\x0a\x032.0";
    // The requested media type is invalid and would not be parsed.
    let format = OPENAPI_PROTOBUF.replace('@', ".");
    ([(header::CONTENT_TYPE, format)], SWAGGER_2_0).into_response()
}

fn group_entry(group: &str, versions: &[&str]) -> Value {
    let entry = |version: &&str| json!({"groupVersion": group_version(group, version), "version": version});
    let entries: Vec<Value> = versions.iter().map(entry).collect();
    json!({"name": group, "preferredVersion": entries.first(), "versions": entries})
}

fn resources(catalog: &Catalog, group: &str, version: &str, accept: Accept) -> Response {
    let in_version = |resource: &Resource| {
        let index = resource.versions.iter().position(|found| found.name == version);
        index.filter(|_| resource.id.group == group)
    };
    let found = catalog.iter().filter_map(|resource| Some((resource, in_version(resource)?)));
    let entries: Vec<Value> =
        found.flat_map(|(resource, version)| resource_entries(resource, version)).collect();
    if entries.is_empty() {
        return Failure::no_such_path().into_response();
    }
    let list = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version(group, version),
        "resources": entries,
    });
    render::document(StatusCode::OK, accept.yaml, &list)
}

fn resource_entries(resource: &Resource, version: usize) -> Vec<Value> {
    let mut entry = json!({
        "name": resource.id.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": resource.verbs,
    });
    for (key, names) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !names.is_empty() {
            entry[key] = json!(names);
        }
    }
    let parts = resource.versions[version].subresources.iter().map(|part| {
        let mut entry = json!({
            "name": format!("{}/{part}", resource.id.plural), "singularName": "",
            "namespaced": resource.namespaced, "kind": subresource_kind(resource, part).2,
            "verbs": subresource_verbs(part),
        });
        let (group, version, _) = subresource_kind(resource, part);
        if !group.is_empty() {
            entry["group"] = group.into();
            entry["version"] = version.into();
        }
        entry
    });
    std::iter::once(entry).chain(parts).collect()
}

/// Group, version and kind of a subresource, where they are not those of the resource.
fn subresource_kind<'r>(resource: &'r Resource, part: &str) -> (&'static str, &'static str, &'r str) {
    match part {
        "scale" => ("autoscaling", "v1", "Scale"),
        "eviction" => ("policy", "v1", "Eviction"),
        "token" => ("authentication.k8s.io", "v1", "TokenRequest"),
        "binding" => ("", "", "Binding"),
        _ => ("", "", &resource.kind),
    }
}

/// The aggregated form: all resources of the core group or of all other groups in one document.
fn groups(catalog: &Catalog, core: bool) -> Value {
    let groups = catalog.groups();
    let items = groups.iter().filter(|(group, _)| group.is_empty() == core).map(|(group, versions)| {
        let versions: Vec<Value> = versions
            .iter()
            .map(|version| {
                let found =
                    catalog.iter().filter(|resource| resource.id.group == *group).filter_map(|resource| {
                        let index = resource.versions.iter().position(|found| found.name == *version)?;
                        Some(aggregated_entry(resource, index))
                    });
                let found: Vec<Value> = found.collect();
                json!({"version": version, "resources": found, "freshness": "Current"})
            })
            .collect();
        let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
        json!({"metadata": metadata, "versions": versions})
    });
    let items: Vec<Value> = items.collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_entry(resource: &Resource, version: usize) -> Value {
    let group = &resource.id.group;
    let name = &resource.versions[version].name;
    let parts: Vec<Value> = resource.versions[version]
        .subresources
        .iter()
        .map(|part| {
            let kind = match subresource_kind(resource, part) {
                ("", _, kind) => json!({"group": group, "version": name, "kind": kind}),
                (group, version, kind) => json!({"group": group, "version": version, "kind": kind}),
            };
            json!({"subresource": part, "responseKind": kind, "verbs": subresource_verbs(part)})
        })
        .collect();
    let mut entry = json!({
        "resource": resource.id.plural,
        "responseKind": {"group": group, "version": name, "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    let lists = [
        ("shortNames", json!(resource.short_names)),
        ("categories", json!(resource.categories)),
        ("subresources", json!(parts)),
    ];
    for (key, list) in lists {
        if list != json!([]) {
            entry[key] = list;
        }
    }
    entry
}

fn aggregated(list: &Value) -> Response {
    let mut response = render::document(StatusCode::OK, false, list);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
    response
}
