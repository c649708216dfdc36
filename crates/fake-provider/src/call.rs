//! One API call, separated from HTTP.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::reply::Fail;
use crate::token::TokenSpec;

/// A request in the form that the handlers use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Decoded path segments after `/v1`.
    pub(crate) segments: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Option<Value>,
    pub(crate) broken_body: bool,
    pub(crate) token: Option<String>,
}

impl Call {
    /// Returns the JSON object of the body; a missing body is an empty object.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Fail> {
        if self.broken_body {
            return Err(Fail::bad_request("Request body is not valid JSON").code("bad_request"));
        }
        match &self.body {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map.clone()),
            Some(_) => Err(Fail::bad_request("Invalid input for request: must be an object")),
        }
    }
}

/// A call of an authenticated caller inside a project.
pub(crate) struct Context<'a> {
    pub(crate) call: &'a Call,
    pub(crate) token: &'a TokenSpec,
    pub(crate) project: &'a str,
}

impl Context<'_> {
    pub(crate) fn require(&self, any_of: &[&str]) -> Result<(), Fail> {
        self.token.require(self.call, any_of)
    }
}

/// Decodes percent escapes. Invalid escapes stay as they are.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut result = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escape = text.get(index + 1..index + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[index], escape) {
            (b'%', Some(byte)) => {
                result.push(byte);
                index += 3;
            }
            (byte, _) => {
                result.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&result).into_owned()
}

/// Splits a query string.
pub(crate) fn parse_query(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(key), decode(value))
        })
        .collect()
}
