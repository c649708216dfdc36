//! HTTP: parses a request, executes it and writes the answer. Every client may do everything.

pub(crate) mod log;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::api::Api;
use crate::builtin;
use crate::failure::{Answer, Failure, deleted};
use crate::field_error::FieldError;
use crate::kubectl::discovery;
use crate::protocol::body::{content_type, parse_body, parse_yaml};
use crate::protocol::render;
use crate::protocol::request::{Accept, Query, Target, WriteOptions};
use crate::storage::object::Metadata;
use crate::watch::watch;
use crate::write::decode::check_name;
use crate::write::delete::{DeleteOptions, Deleted};
use crate::write::patch::{APPLY, Patch};
use crate::write::{Edit, Written};

/// How large a body may be, as upstream.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Answers one request.
pub(crate) async fn serve(State(api): State<Arc<Api>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    match answer(&api, &parts, body).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn answer(api: &Arc<Api>, parts: &Parts, body: Body) -> Answer<Response> {
    let accept = Accept::parse(&parts.headers)?;
    let catalog = api.registry.catalog();
    if let Some(response) = discovery::answer(&catalog, parts.uri.path(), accept) {
        return Ok(response);
    }
    let target = Target::resolve(parts.uri.path(), &catalog)?;
    let query = Query::parse(&parts.uri)?;
    let call = Call { api, parts, target, query, accept };
    let verb = call.verb()?;
    if verb == "watch" {
        let deprecation = call.deprecation();
        let mut response = Response::new(watch(api, call.target, call.query, accept)?);
        let format = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, format);
        render::warn(&mut response, &deprecation);
        return Ok(response);
    }
    if call.part() == Some("log") {
        return log::read(api, &call.target, &call.query).await;
    }
    let body = axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| Failure::too_large(BODY_LIMIT))?;
    let mut response = call.perform(verb, &body)?;
    render::warn(&mut response, &call.deprecation());
    Ok(response)
}

struct Call<'r> {
    api: &'r Arc<Api>,
    parts: &'r Parts,
    target: Target,
    query: Query,
    accept: Accept,
}

impl Call<'_> {
    /// The verb of the request, if the resource has it.
    fn verb(&self) -> Answer<&'static str> {
        let target = &self.target;
        let verb = match (&self.parts.method, target.name.is_some()) {
            (&Method::GET, true) => "get",
            (&Method::GET, false) if self.query.is_true("watch") => "watch",
            (&Method::GET, false) => "list",
            (&Method::POST, false) => "create",
            (&Method::POST, true) if self.part().is_some() => "create",
            (&Method::PUT, true) => "update",
            (&Method::PATCH, true) => "patch",
            (&Method::DELETE, true) => "delete",
            (&Method::DELETE, false) => "deletecollection",
            _ => return Err(Failure::method_not_allowed()),
        };
        let everywhere = ["get", "list", "watch"].contains(&verb) || target.name.is_some();
        let placed = everywhere || target.namespace.is_some() == target.resource.namespaced;
        let served = match target.subresource.as_deref() {
            None => target.resource.verbs.iter().any(|found| found == verb),
            Some(part) => builtin::subresource_verbs(part).contains(&verb),
        };
        if placed && served { Ok(verb) } else { Err(Failure::method_not_allowed()) }
    }

    fn deprecation(&self) -> Vec<String> {
        self.target.resource.versions[self.target.version].deprecation.iter().cloned().collect()
    }

    fn perform(&self, verb: &str, body: &Bytes) -> Answer<Response> {
        let (api, target, query) = (self.api, &self.target, &self.query);
        match verb {
            "get" if self.is_scale() => {
                Ok(render::document(StatusCode::OK, self.accept.yaml, &api.get_scale(target)?))
            }
            "get" => Ok(render::object(StatusCode::OK, target, query, self.accept, &api.get(target, query)?)),
            "list" => Ok(render::list(target, query, self.accept, &api.list(target, query)?)),
            "create" if self.part().is_some() => {
                let body = self.parse(body)?;
                let done = match self.part() {
                    Some("binding") => api.bind(target, &body)?,
                    Some("eviction") => api.evict(target, &DeleteOptions::of_eviction(query, &body)?)?,
                    _ => api.request_token(target, &body)?,
                };
                Ok(render::document(StatusCode::CREATED, self.accept.yaml, &done))
            }
            "create" => {
                let options = self.write_options("CreateOptions")?;
                let body = self.parse(body)?;
                Ok(self.written(&api.create(target, body, &options)?))
            }
            "update" => {
                let options = self.write_options("UpdateOptions")?;
                let mut object = self.parse(body)?;
                if object.meta("name").is_empty() {
                    let why = "was undeterminable: name must be provided";
                    let name = target.name();
                    return Err(Failure::bad_request(format!(
                        "the name of the object ({name} based on URL) {why}"
                    )));
                }
                check_name(target, &mut object)?;
                let edit = Edit::Replace(object);
                self.update(&edit, &options)
            }
            "patch" => {
                let options = self.write_options("PatchOptions")?;
                let edit = self.patch(body)?;
                self.update(&edit, &options)
            }
            "delete" => self.delete(body),
            _ => {
                let options = DeleteOptions::parse(query, &self.parts.headers, body)?;
                let items = api.delete_collection(target, query, &options)?;
                Ok(render::list(target, query, self.accept, &items))
            }
        }
    }

    fn part(&self) -> Option<&str> {
        self.target.subresource.as_deref()
    }

    fn is_scale(&self) -> bool {
        self.part() == Some("scale")
    }

    fn parse(&self, body: &[u8]) -> Answer<Value> {
        let kind = match self.part() {
            Some("scale") => "Scale",
            Some("binding") => "Binding",
            Some("eviction") => "Eviction",
            Some("token") => "TokenRequest",
            _ => &self.target.resource.kind,
        };
        parse_body(&self.parts.headers, body, kind)
    }

    fn write_options(&self, kind: &str) -> Answer<WriteOptions> {
        WriteOptions::parse(&self.query, &self.parts.headers, kind)
    }

    fn patch(&self, body: &[u8]) -> Answer<Edit> {
        let refused = |error| Err(Failure::invalid_options("PatchOptions", error));
        if content_type(&self.parts.headers) != APPLY {
            if self.query.is_true("force") {
                return refused(FieldError::forbidden("force", "may not be specified for non-apply patch"));
            }
            return Patch::parse(content_type(&self.parts.headers), body, &self.target).map(Edit::Patch);
        }
        if self.query.get("fieldManager").is_empty() {
            return refused(FieldError::required("fieldManager", "is required for apply patch"));
        }
        let config = parse_yaml(body);
        let config = config.map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))?;
        Ok(Edit::Apply { config, force: self.query.is_true("force") })
    }

    fn update(&self, edit: &Edit, options: &WriteOptions) -> Answer<Response> {
        if self.is_scale() {
            let scale = self.api.update_scale(&self.target, edit, options)?;
            return Ok(render::document(StatusCode::OK, self.accept.yaml, &scale));
        }
        Ok(self.written(&self.api.update(&self.target, edit, options)?))
    }

    fn written(&self, written: &Written) -> Response {
        let code = if written.created { StatusCode::CREATED } else { StatusCode::OK };
        let mut response = render::object(code, &self.target, &self.query, self.accept, &written.object);
        render::warn(&mut response, &written.warnings);
        response
    }

    fn delete(&self, body: &[u8]) -> Answer<Response> {
        let options = DeleteOptions::parse(&self.query, &self.parts.headers, body)?;
        Ok(match self.api.delete(&self.target, &options)? {
            Deleted::Pending(object) => {
                render::object(StatusCode::OK, &self.target, &self.query, self.accept, &object)
            }
            Deleted::Gone(object) => {
                let uid = object.value.meta("uid");
                let status = deleted(&self.target.resource.id, self.target.name(), uid);
                render::document(StatusCode::OK, self.accept.yaml, &status)
            }
        })
    }
}
