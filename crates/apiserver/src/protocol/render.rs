//! Answers in the form and format a client accepts: objects, tables or metadata alone, in JSON or YAML.
//! What to answer is left to the callers.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::protocol::request::{Accept, Form, Query, Target};
use crate::storage::listing::Listing;
use crate::storage::object::Object;
use crate::table::IncludeObject;

/// A response of one JSON document.
pub(crate) fn document(code: StatusCode, yaml: bool, value: &Value) -> Response {
    respond(code, yaml, value.to_string().into())
}

/// One object.
pub(crate) fn object(
    code: StatusCode,
    target: &Target,
    query: &Query,
    accept: Accept,
    object: &Arc<Object>,
) -> Response {
    match accept.form {
        Form::Object => respond(code, accept.yaml, object.json().clone()),
        form => document(code, accept.yaml, &shown(target, query, form, object)),
    }
}

/// A list of objects.
pub(crate) fn list(target: &Target, query: &Query, accept: Accept, listing: &Listing) -> Response {
    let metadata = listing.metadata();
    let body = match accept.form {
        Form::Object => objects(target, &metadata, &listing.items),
        Form::Table => table(target, query, &metadata, &listing.items).to_string().into(),
        Form::Metadata => {
            let items: Vec<Value> = listing.items.iter().map(|item| partial(item)).collect();
            let kind = "PartialObjectMetadataList";
            let list =
                json!({"kind": kind, "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items});
            list.to_string().into()
        }
    };
    respond(StatusCode::OK, accept.yaml, body)
}

fn objects(target: &Target, metadata: &Value, items: &[Arc<Object>]) -> Bytes {
    let (kind, api_version) = (&target.resource.list_kind, target.api_version());
    let head =
        format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{metadata},\"items\":[");
    let mut body = head.into_bytes();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        match target.resource.builtin {
            Some(_) => item.write_untyped(&mut body),
            None => body.extend_from_slice(item.json()),
        }
    }
    body.extend_from_slice(b"]}");
    body.into()
}

/// An object in the form of a table or of its metadata.
pub(crate) fn shown(target: &Target, query: &Query, form: Form, object: &Arc<Object>) -> Value {
    match form {
        Form::Object => object.value.clone(),
        Form::Metadata => partial(object),
        Form::Table => {
            let metadata = json!({"resourceVersion": object.revision.to_string()});
            table(target, query, &metadata, std::slice::from_ref(object))
        }
    }
}

fn partial(object: &Object) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.value["metadata"],
    })
}

fn table(target: &Target, query: &Query, metadata: &Value, items: &[Arc<Object>]) -> Value {
    let include = match query.get("includeObject") {
        "None" => IncludeObject::None,
        "Object" => IncludeObject::Object,
        _ => IncludeObject::Metadata,
    };
    let columns = &target.resource.versions[target.version].columns;
    columns.table(items.iter().map(|item| &item.value), metadata, include, chrono::Utc::now())
}

fn respond(code: StatusCode, yaml: bool, json: Bytes) -> Response {
    let (body, format) = if yaml { (to_yaml(&json), "application/yaml") } else { (json, "application/json") };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format));
    response
}

fn to_yaml(json: &[u8]) -> Bytes {
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    serde_yaml::to_string(&value).unwrap_or_default().into()
}

/// Adds the warnings that clients show to their users.
pub(crate) fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let text = format!("299 - {}", crate::field_error::quoted(warning));
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}
