//! Error answers in the form of the provider.

use serde_json::{Map, Value, json};

use crate::config::ErrorStyle;

/// Result of one API call: the body of a 200 answer, or an error.
pub(crate) type Outcome = Result<Value, Fail>;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fail {
    pub(crate) status: u16,
    code: Option<&'static str>,
    message: String,
}

impl Fail {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: None, message: message.into() }
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(crate) fn no_service(name: &str) -> Self {
        Self::new(404, format!("Service {name} does not exist")).code("service_does_not_exist")
    }

    pub(crate) fn no_project(name: &str) -> Self {
        Self::new(404, format!("Project {name} does not exist")).code("project_does_not_exist")
    }

    pub(crate) fn protected() -> Self {
        let text = "Service is protected against termination and shutdown. \
                    Remove termination protection first.";
        Self::new(403, text)
    }

    pub(crate) fn not_powered() -> Self {
        Self::new(409, "Database not powered on").code("not_powered")
    }

    pub(crate) fn free_tier(what: &str) -> Self {
        Self::new(403, format!("{what} is not available on free plans")).code("free_tier_restricted")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "Not Found")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "Method Not Allowed")
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Renders the error body.
    pub(crate) fn body(&self, style: ErrorStyle) -> Value {
        let mut error = Map::new();
        if let Some(code) = self.code
            && style != ErrorStyle::WithoutCodes
        {
            error.insert("error_code".into(), code.into());
            error.insert("more_info".into(), format!("https://api.aiven.io/doc/#{code}").into());
        }
        error.insert("message".into(), self.message.clone().into());
        error.insert("status".into(), self.status.into());
        match style {
            ErrorStyle::Text => json!({"errors": self.message, "message": self.message}),
            ErrorStyle::MessageOnly => json!({"message": self.message}),
            ErrorStyle::Objects | ErrorStyle::WithoutCodes => {
                json!({"errors": [error], "message": self.message})
            }
        }
    }
}
