//! What a request fails with: a `metav1.Status` in the words of a Kubernetes API server. Guarantees the
//! reasons, codes and details that clients branch on; which failure applies is the caller's decision.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};

use crate::field_error::FieldError;

/// A failed request.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Box<Value>);

/// What a request handler answers.
pub(crate) type Answer<T> = Result<T, Failure>;

/// A resource as messages name it: `secrets`, `deployments.apps`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GroupResource {
    /// API group, empty for the core group.
    pub(crate) group: String,
    /// Plural name.
    pub(crate) plural: String,
}

impl GroupResource {
    pub(crate) fn new(group: &str, plural: &str) -> Self {
        Self { group: group.to_owned(), plural: plural.to_owned() }
    }
}

impl std::fmt::Display for GroupResource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&qualified(&self.plural, &self.group))
    }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

const NO_MATCH: &str = "the server could not find the requested resource";
const NO_METHOD: &str = "the server does not allow this method on the requested resource";
const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Failure {
    fn new(code: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message.into(), "code": code.as_u16(),
        });
        if !reason.is_empty() {
            status["reason"] = reason.into();
        }
        Self(Box::new(status))
    }

    fn about(code: StatusCode, reason: &str, message: String, resource: &GroupResource, name: &str) -> Self {
        Self::new(code, reason, message).with_details(details(&resource.group, &resource.plural, name))
    }

    fn with_details(mut self, details: Value) -> Self {
        self.0["details"] = details;
        self
    }

    /// No such path, group or version; this answer is not a `Status`.
    pub(crate) fn no_such_path() -> Self {
        Self(Box::new(Value::Null))
    }

    /// No such resource.
    pub(crate) fn no_such_resource() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", NO_MATCH).with_details(json!({}))
    }

    /// The resource does not have this verb.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", NO_METHOD).with_details(json!({}))
    }

    /// No such object.
    pub(crate) fn not_found(resource: &GroupResource, name: &str) -> Self {
        let message = format!("{resource} \"{name}\" not found");
        Self::about(StatusCode::NOT_FOUND, "NotFound", message, resource, name)
    }

    /// An object of that name exists.
    pub(crate) fn already_exists(resource: &GroupResource, name: &str) -> Self {
        let message = format!("{resource} \"{name}\" already exists");
        Self::about(StatusCode::CONFLICT, "AlreadyExists", message, resource, name)
    }

    /// An object of that name exists and is being deleted.
    pub(crate) fn still_exists(resource: &GroupResource, name: &str) -> Self {
        let message = format!("object is being deleted: {resource} \"{name}\" already exists");
        Self::about(StatusCode::CONFLICT, "AlreadyExists", message, resource, name)
    }

    /// A precondition of the request does not hold.
    pub(crate) fn conflict(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Self::about(StatusCode::CONFLICT, "Conflict", message, resource, name)
    }

    /// The request is based on an older version of the object.
    pub(crate) fn modified(resource: &GroupResource, name: &str) -> Self {
        Self::conflict(resource, name, MODIFIED)
    }

    /// Other field managers own fields of an apply.
    pub(crate) fn apply_conflict(message: String, causes: Vec<(String, String)>) -> Self {
        let causes: Vec<Value> = causes
            .into_iter()
            .map(|(message, field)| json!({"reason": "FieldManagerConflict", "message": message, "field": field}))
            .collect();
        Self::new(StatusCode::CONFLICT, "Conflict", message).with_details(json!({"causes": causes}))
    }

    /// The request is not allowed in the present state.
    pub(crate) fn forbidden(resource: &GroupResource, name: &str, why: &str) -> Self {
        let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        let message = format!("{resource}{named} is forbidden: {why}");
        Self::about(StatusCode::FORBIDDEN, "Forbidden", message, resource, name)
    }

    /// The namespace takes no new objects because it is being deleted.
    pub(crate) fn namespace_terminating(resource: &GroupResource, name: &str, namespace: &str) -> Self {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut failure = Self::forbidden(resource, name, &why);
        failure.0["details"]["causes"] = json!([{
            "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        failure
    }

    /// The object breaks rules of its kind.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let text = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
        let causes: Vec<Value> = errors
            .iter()
            .map(|error| json!({"reason": error.reason, "message": error.message, "field": error.field}))
            .collect();
        let mut details = details(group, kind, name);
        details["causes"] = causes.into();
        let message = format!("{} \"{name}\" is invalid: {text}", qualified(kind, group));
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).with_details(details)
    }

    /// A query parameter is not acceptable; `options` is the kind, such as `PatchOptions`.
    pub(crate) fn invalid_options(options: &str, error: FieldError) -> Self {
        Self::invalid("meta.k8s.io", options, "", &[error])
    }

    /// A JSON patch cannot be applied to the object.
    pub(crate) fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).with_details(json!({}))
    }

    /// The request itself is malformed.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// The body is larger than the server takes.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// The body has a format the server does not read.
    pub(crate) fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// The client accepts no format the server writes.
    pub(crate) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json, application/yaml, \
                       application/json;stream=watch";
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message).with_details(json!({}))
    }

    /// The history before `requested` has expired.
    pub(crate) fn expired(requested: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {requested} ({oldest})");
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// The state of the requested page of a list has expired.
    pub(crate) fn continue_expired() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You \
                       must start a new list without the continue parameter.";
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// The request needs a state that does not exist yet.
    pub(crate) fn too_new(requested: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {requested}, current: {current}");
        let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message)
            .with_details(json!({"causes": [cause], "retryAfterSeconds": 1}))
    }

    /// An error that upstream does not classify: code 500 and no reason.
    pub(crate) fn unclassified(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    /// The request has to wait; `seconds` is the duration, if there is one.
    pub(crate) fn too_many_requests(message: &str, reason: &str, why: &str, seconds: u64) -> Self {
        let mut details = json!({"causes": [{"reason": reason, "message": why}]});
        if seconds > 0 {
            details["retryAfterSeconds"] = seconds.into();
        }
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message).with_details(details)
    }

    /// The same failure with another reason.
    pub(crate) fn with_reason(mut self, reason: &str) -> Self {
        self.0["reason"] = reason.into();
        self
    }

    /// The HTTP status code.
    pub(crate) fn code(&self) -> StatusCode {
        if self.0.is_null() {
            return StatusCode::NOT_FOUND;
        }
        let code = self.0["code"].as_u64().and_then(|code| u16::try_from(code).ok());
        code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn is_already_exists(&self) -> bool {
        self.0["reason"] == "AlreadyExists"
    }

    /// The `Status` object, as an `ERROR` event of a watch carries it.
    pub(crate) fn status(&self) -> &Value {
        &self.0
    }
}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let mut details = json!({});
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            details[key] = value.into();
        }
    }
    details
}

/// The `Status` of a completed deletion.
pub(crate) fn deleted(resource: &GroupResource, name: &str, uid: &str) -> Value {
    let mut details = details(&resource.group, &resource.plural, name);
    details["uid"] = uid.into();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.0.is_null() {
            return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
        }
        let mut response = (self.code(), self.0.to_string()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.0.pointer("/details/retryAfterSeconds").and_then(Value::as_u64) {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
