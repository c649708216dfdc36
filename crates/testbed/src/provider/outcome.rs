//! What a handler answers: a body, or an error in the provider's shape. Guarantees that `message`
//! repeats the first entry of `errors`, as every client expects.

use serde_json::{Map, Value, json};

/// Result of every handler.
pub(super) type Outcome = Result<Reply, ApiError>;

/// A successful answer: always 200, already serialised.
#[derive(Debug)]
pub(super) struct Reply(pub(super) Vec<u8>);

#[expect(clippy::unnecessary_wraps, reason = "each is the last expression of a handler")]
impl Reply {
    /// A JSON document.
    pub(super) fn json(body: &Value) -> Outcome {
        Ok(Self(body.to_string().into_bytes()))
    }

    /// `{key: body}` from text that is JSON already.
    pub(super) fn wrapped(key: &str, body: &str) -> Outcome {
        Ok(Self(format!("{{\"{key}\":{body}}}").into_bytes()))
    }

    /// `{key: [items]}` from texts that are JSON already.
    pub(super) fn list<'a>(key: &str, items: impl Iterator<Item = &'a str>) -> Outcome {
        let mut body = format!("{{\"{key}\":[");
        for (index, item) in items.enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(item);
        }
        body.push_str("]}");
        Ok(Self(body.into_bytes()))
    }

    /// `{"message": text}`, the answer of mutations without payload.
    pub(super) fn message(text: &str) -> Outcome {
        Self::json(&json!({ "message": text }))
    }
}

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) error_code: Option<&'static str>,
}

impl ApiError {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), error_code: None }
    }

    #[must_use]
    pub(super) fn code(mut self, error_code: &'static str) -> Self {
        self.error_code = Some(error_code);
        self
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let mut error = Map::new();
        if let Some(code) = self.error_code {
            error.insert("error_code".to_owned(), code.into());
        }
        error.insert("message".to_owned(), self.message.as_str().into());
        error.insert("status".to_owned(), self.status.into());
        json!({ "errors": [error], "message": self.message }).to_string().into_bytes()
    }
}
