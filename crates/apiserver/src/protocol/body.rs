//! Bodies of requests: JSON, YAML and protobuf. The callers interpret the content.

use http::{HeaderMap, header};
use serde_json::Value;

use crate::failure::{Answer, Failure};
use crate::protobuf;

/// Reads a body in the format of its content type, by default JSON.
pub(crate) fn parse_body(headers: &HeaderMap, body: &[u8], kind: &str) -> Answer<Value> {
    let parsed = match content_type(headers) {
        "application/json" | "" => serde_json::from_slice(body).map_err(|error| error.to_string()),
        "application/yaml" => parse_yaml(body),
        "application/vnd.kubernetes.protobuf" => match protobuf::read(body) {
            Some(object) => return Ok(object),
            None => return Err(Failure::unsupported_media_type("application/json, application/yaml")),
        },
        _ => return Err(Failure::unsupported_media_type("application/json, application/yaml")),
    };
    let unrecognized = |error| {
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; \
             json parse error: {error}"
        ))
    };
    match parsed {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(unrecognized("not an object".to_owned())),
        Err(error) => Err(unrecognized(error)),
    }
}

/// Reads YAML, of which JSON is a part.
pub(crate) fn parse_yaml(body: &[u8]) -> Result<Value, String> {
    serde_yaml::from_slice(body).map_err(|error| error.to_string())
}

/// The content type without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let found = headers.get(header::CONTENT_TYPE).and_then(|found| found.to_str().ok()).unwrap_or_default();
    found.split(';').next().unwrap_or_default().trim()
}
