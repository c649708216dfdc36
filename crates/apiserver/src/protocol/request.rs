//! Parses a request: the resource its path names, its options and the format it accepts. Malformed requests are
//! refused in the API server's words before any lookup.

use std::sync::Arc;

use http::{HeaderMap, header};
use serde_json::json;

use crate::failure::{Answer, Failure};
use crate::field_error::{FieldError, quoted};
use crate::registry::{Catalog, Resource};
use crate::storage::store::Key;

/// The object or collection that a path names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    /// Index in the resource's versions.
    pub(crate) version: usize,
    /// Absent for cluster-scoped resources and for lists across namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Target {
    /// Resolves a path such as `/apis/example.com/v1/namespaces/default/widgets/a/status`.
    pub(crate) fn resolve(path: &str, catalog: &Catalog) -> Answer<Self> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Failure::no_such_path()),
        };
        let (namespace, rest) = match rest {
            // `namespaces/a/status` is a part of the namespace, not a resource in it.
            ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            _ => (None, rest),
        };
        let Some((plural, rest)) = rest.split_first() else { return Err(Failure::no_such_resource()) };
        let found = catalog.find(group, version, plural);
        let Some((resource, version)) = found else {
            let known = catalog.serves(group, version);
            return Err(if known { Failure::no_such_resource() } else { Failure::no_such_path() });
        };
        let (name, subresource) = match rest {
            [] => (None, None),
            [name] => (Some(*name), None),
            [name, subresource] => (Some(*name), Some(*subresource)),
            _ => return Err(Failure::no_such_resource()),
        };
        let named_elsewhere =
            resource.namespaced != namespace.is_some() && (name.is_some() || !resource.namespaced);
        if named_elsewhere || subresource.is_some_and(|part| !resource.has(version, part)) {
            return Err(Failure::no_such_resource());
        }
        let owned = |part: &str| part.to_owned();
        Ok(Self { resource, version, namespace, name: name.map(owned), subresource: subresource.map(owned) })
    }

    /// The place of the object that is named.
    pub(crate) fn key(&self) -> Key {
        Key::new(self.namespace.as_deref().unwrap_or_default(), self.name())
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn api_version(&self) -> String {
        self.resource.api_version(self.version)
    }

    pub(crate) fn is_status(&self) -> bool {
        self.subresource.as_deref() == Some("status")
    }

    /// No object of this name.
    pub(crate) fn not_found(&self) -> Failure {
        Failure::not_found(&self.resource.id, self.name())
    }

    /// The same target with another name.
    pub(crate) fn named(&self, key: &Key) -> Self {
        let namespace = self.resource.namespaced.then(|| key.namespace.clone());
        Self { namespace, name: Some(key.name.clone()), ..self.clone() }
    }
}

/// The parameters after the `?` of a URL.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(uri: &http::Uri) -> Answer<Self> {
        let parsed = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        parsed.map(|found| Self(found.0)).map_err(|error| Failure::bad_request(error.body_text()))
    }

    /// The parameter's value, empty when absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The parameter as a number, where it is present and not empty.
    pub(crate) fn positive(&self, name: &str) -> Answer<Option<u64>> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse::<i64>().map_err(|_| {
            Failure::bad_request(format!("strconv.ParseInt: parsing {}: invalid syntax", quoted(text)))
        })?;
        Ok(u64::try_from(number).ok().filter(|number| *number > 0))
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }
}

/// Handling of fields that the schema does not declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// The options of a write.
#[derive(Clone, Debug)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) manager: String,
    pub(crate) validation: FieldValidation,
}

impl WriteOptions {
    /// Reads the options; `kind` is what messages call them, such as `CreateOptions`.
    pub(crate) fn parse(query: &Query, headers: &HeaderMap, kind: &str) -> Answer<Self> {
        let refused = |error| Err(Failure::invalid_options(kind, error));
        let validation = match query.get("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let supported = ["", "Ignore", "Strict", "Warn"];
                return refused(FieldError::not_supported("fieldValidation", &json!(other), &supported));
            }
        };
        let dry_run = match query.get("dryRun") {
            "" => false,
            "All" => true,
            other => return refused(FieldError::not_supported("dryRun", &json!([other]), &["All"])),
        };
        let manager = match query.get("fieldManager") {
            "" => user_agent(headers),
            given if given.len() > 128 => return refused(FieldError::too_long("fieldManager", 128)),
            given => given.to_owned(),
        };
        Ok(Self { dry_run, manager, validation })
    }
}

/// The writer of a request that does not name one: the program's name from the user agent.
fn user_agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("unknown");
    agent.split('/').next().unwrap_or_default().chars().take(128).collect()
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The objects themselves.
    Object,
    /// `meta.k8s.io/v1` `Table`.
    Table,
    /// `meta.k8s.io/v1` `PartialObjectMetadata`.
    Metadata,
}

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accept {
    pub(crate) form: Form,
    pub(crate) yaml: bool,
    /// `APIGroupDiscoveryList` is wanted where discovery lists groups.
    pub(crate) aggregated: bool,
    /// OpenAPI 2 is wanted in protobuf.
    pub(crate) protobuf: bool,
}

/// The format in which `kubectl` reads OpenAPI 2.
pub(crate) const OPENAPI_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

impl Accept {
    /// The first of the accepted formats that the server writes. Qualities are not weighed: the clients
    /// list what they prefer first.
    pub(crate) fn parse(headers: &HeaderMap) -> Answer<Self> {
        let text = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
        text.split(',').find_map(accept_one).ok_or_else(Failure::not_acceptable)
    }
}

fn accept_one(media_type: &str) -> Option<Accept> {
    let mut parts = media_type.split(';').map(str::trim);
    let (yaml, protobuf) = match parts.next()? {
        "application/json" | "application/*" | "*/*" | "" => (false, false),
        "application/yaml" => (true, false),
        OPENAPI_PROTOBUF => (false, true),
        _ => return None,
    };
    let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
    let parameter =
        |name: &str| parameters.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| *value);
    let (form, aggregated) = match (parameter("as"), parameter("g"), parameter("v")) {
        ("", ..) => (Form::Object, false),
        ("Table", "meta.k8s.io", "v1") => (Form::Table, false),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1") => {
            (Form::Metadata, false)
        }
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => (Form::Object, true),
        _ => return None,
    };
    Some(Accept { form, yaml, aggregated, protobuf })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::registry::Registry;

    fn accept(text: &str) -> Answer<Accept> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(text).unwrap());
        Accept::parse(&headers)
    }

    #[test]
    fn the_first_acceptable_format_is_used() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(accept(kubectl).unwrap().form, Form::Table);
        let negotiated = accept("application/vnd.kubernetes.protobuf,application/json").unwrap();
        assert_eq!((negotiated.form, negotiated.yaml), (Form::Object, false));
        assert!(accept("application/vnd.kubernetes.protobuf").is_err());
        assert!(accept("application/yaml").unwrap().yaml);
    }

    #[test]
    fn numbers_in_the_query_are_numbers() {
        let positive = |text: &str| {
            let uri = format!("/api/v1/secrets?limit={text}").parse().unwrap();
            Query::parse(&uri).unwrap().positive("limit")
        };
        assert_eq!(
            [positive("").unwrap(), positive("0").unwrap(), positive("5").unwrap()],
            [None, None, Some(5)]
        );
        assert_eq!(positive("five").unwrap_err().code(), http::StatusCode::BAD_REQUEST);
    }

    #[test]
    fn paths_name_objects_collections_and_their_parts() {
        let catalog = Registry::new().catalog();
        let resolve = |path: &str| Target::resolve(path, &catalog);
        let secret = resolve("/api/v1/namespaces/a/secrets/b").unwrap();
        assert_eq!((secret.key(), secret.resource.kind.as_str()), (Key::new("a", "b"), "Secret"));
        let namespace = resolve("/api/v1/namespaces/a/status").unwrap();
        assert_eq!((namespace.key(), namespace.is_status()), (Key::new("", "a"), true));
        assert!(resolve("/api/v1/secrets").unwrap().name.is_none());
        for path in [
            "/api/v1/secrets/b",
            "/api/v1/namespaces/a/namespaces/b",
            "/api/v1/nope",
            "/api/v1/namespaces/a/secrets/b/scale",
        ] {
            assert!(resolve(path).is_err(), "{path}");
        }
    }
}
