//! An answer that is not a success: its author, its subject, and its text. Only an answer in the form of the
//! provider's own errors counts as the provider's. Anything else, such as the page of a proxy, proves nothing about
//! services, projects or tokens. No decision reads a text.

use serde::Deserialize;
use serde_json::Value;
use std::{fmt, time::Duration};

/// The provider's names for a service that does not exist.
const NO_SERVICE: [&str; 2] = ["service_does_not_exist", "service_not_found"];
/// The beginnings of its names for something else that does not exist.
const NO_SURROUNDINGS: [&str; 4] = ["project_", "account_", "organization_", "user_"];
/// The longest name of an error that is passed on.
const LONGEST_CODE: usize = 64;
/// The longest text from something in between that is passed on, in characters.
const LONGEST_FOREIGN: usize = 120;

/// Content of an answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The provider's own words, cleaned, or what came instead of them.
    pub message: String,
    /// The provider's name for this kind of error, if the answer has one.
    pub code: Option<String>,
    /// The answer has the form of the provider's errors.
    pub genuine: bool,
    /// The `Retry-After` of the provider.
    pub retry_after: Option<Duration>,
}

/// How clearly an answer reports that a service does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It reports that the service does not exist.
    Named,
    /// It does not state what does not exist; that may be the project.
    Unnamed,
}

/// The body of an error.
struct Body {
    message: Option<String>,
    code: Option<String>,
    /// It has a list of errors, as those of the provider do.
    listed: bool,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default, deserialize_with = "super::lenient::text")]
    message: Option<String>,
    #[serde(default, deserialize_with = "super::lenient::text")]
    error_code: Option<String>,
}

impl Refusal {
    /// Reads the body of an answer; `clean` takes secrets out of texts.
    pub(super) fn read(
        status: reqwest::StatusCode,
        body: &[u8],
        retry_after: Option<Duration>,
        clean: impl Fn(&str) -> String,
    ) -> Self {
        let read = Body::read(body);
        // Gateways answer 404 with an object of their own; that of the provider lists its errors.
        let genuine = read.as_ref().is_some_and(|read| read.listed || status.as_u16() != 404);
        let (message, code) = read.map_or((None, None), |read| (read.message, read.code));
        let text = match message {
            Some(message) => message,
            None if looks_like_a_page(body) => String::new(),
            None => String::from_utf8_lossy(body).into_owned(),
        };
        let mut message = clean(&text);
        if !genuine && let Some((end, _)) = message.char_indices().nth(LONGEST_FOREIGN) {
            message = format!("{}…", &message[..end]);
        }
        if message.trim().is_empty() {
            status.canonical_reason().unwrap_or("no explanation").clone_into(&mut message);
        }
        Self {
            status: status.as_u16(),
            message,
            code: code.filter(|code| is_a_name(code)),
            genuine,
            retry_after,
        }
    }

    /// Whether it reports that a service does not exist, where the call was about one.
    pub fn absence(&self) -> Option<Absence> {
        if self.status != 404 || !self.genuine {
            return None;
        }
        match self.code.as_deref() {
            Some(code) if NO_SERVICE.contains(&code) => Some(Absence::Named),
            Some(code) if NO_SURROUNDINGS.iter().any(|start| code.starts_with(start)) => None,
            _ => Some(Absence::Unnamed),
        }
    }

    /// Whether the provider throttles the caller, even if a proxy relays the answer.
    pub(super) fn throttles(&self) -> bool {
        self.status == 429 || (self.status == 503 && self.retry_after.is_some())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, message, code, genuine, .. } = self;
        if *genuine {
            let verb = if (400..500).contains(status) { "rejected the request" } else { "failed" };
            write!(formatter, "Aiven {verb} (HTTP {status}): {message}")?;
        } else {
            write!(
                formatter,
                "HTTP {status} from a proxy or a wrong API address, not from Aiven: {message}"
            )?;
        }
        match code {
            Some(code) => write!(formatter, " ({code})"),
            None => Ok(()),
        }
    }
}

impl Body {
    /// The body of an error in one of the forms that the provider uses; nothing for anything else.
    fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let entries = body.as_object()?.get("errors").and_then(Value::as_array).into_iter().flatten();
        let first = entries.filter(|entry| entry.is_object()).find_map(|entry| {
            let Entry { message, error_code } = Entry::deserialize(entry).ok()?;
            (message.is_some() || error_code.is_some()).then_some((message, error_code))
        });
        let message = text(body.get("message")).or_else(|| text(body.get("errors")));
        match first {
            Some((own, code)) => Some(Self { message: own.or(message), code, listed: true }),
            None => message.map(|message| Self { message: Some(message), code: None, listed: false }),
        }
    }
}

/// Whether a body is a page for people, of which nothing is passed on.
fn looks_like_a_page(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

/// Whether this can be a name of the provider, and nothing that a secret could be in.
fn is_a_name(code: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !code.is_empty() && code.len() <= LONGEST_CODE && code.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(status: u16, body: &str) -> Refusal {
        let status = reqwest::StatusCode::from_u16(status).unwrap();
        Refusal::read(status, body.as_bytes(), None, str::to_owned)
    }

    fn listed(code: Option<&str>) -> String {
        let error = json!({"message": "Service cache does not exist", "status": 404, "error_code": code});
        json!({"errors": [error], "message": "Service cache does not exist"}).to_string()
    }

    #[test]
    fn absence_only_by_the_providers_own_word_about_a_service() {
        for (body, absence) in [
            (listed(Some("service_does_not_exist")), Some(Absence::Named)),
            (listed(Some("service_not_found")), Some(Absence::Named)),
            (listed(None), Some(Absence::Unnamed)),
            (listed(Some("not_found")), Some(Absence::Unnamed)),
            (listed(Some("project_does_not_exist")), None),
            (listed(Some("project_not_found")), None),
            (listed(Some("account_not_found")), None),
            (listed(Some("user_not_found")), None),
            (json!({"message": "no Route matched with those values"}).to_string(), None),
            (json!({"errors": "service_does_not_exist"}).to_string(), None),
            (json!({"errors": [], "message": "Service cache does not exist"}).to_string(), None),
            (json!({"errors": [null, "x"]}).to_string(), None),
            (json!([{"error_code": "service_does_not_exist"}]).to_string(), None),
            ("<html><body>404 page not found</body></html>".to_owned(), None),
            ("404 page not found".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(refusal(404, &body).absence(), absence, "{body}");
            assert_eq!(refusal(410, &body).absence(), None, "{body}");
        }
    }

    #[test]
    fn page_of_a_proxy_is_named_and_not_quoted() {
        let page = refusal(404, " \n<!DOCTYPE html><title>nginx</title>");
        assert!(!page.genuine);
        assert_eq!(
            page.to_string(),
            "HTTP 404 from a proxy or a wrong API address, not from Aiven: Not Found"
        );
        let long = refusal(403, &"x".repeat(4000));
        assert!(!long.genuine && long.message.chars().count() == LONGEST_FOREIGN + 1);
    }

    #[test]
    fn code_and_message_of_the_provider_are_quoted() {
        let body =
            json!({"errors": [{"message": "Not allowed", "error_code": "permission_denied", "status": 403}]});
        let refused = refusal(403, &body.to_string());
        assert!(refused.genuine);
        assert_eq!(
            refused.to_string(),
            "Aiven rejected the request (HTTP 403): Not allowed (permission_denied)"
        );
        // What is not a name may be anything, also a secret.
        let body = json!({"errors": [{"message": "m", "error_code": "AVNS_secret"}]}).to_string();
        assert_eq!(refusal(400, &body).code, None);
        let retired =
            json!({"errors": [{"error_code": "retired_api_endpoint", "message": "gone"}]}).to_string();
        assert_eq!(
            refusal(410, &retired).to_string(),
            "Aiven rejected the request (HTTP 410): gone (retired_api_endpoint)"
        );
    }

    #[test]
    fn refusal_with_message_only_counts_unless_it_is_an_absence() {
        let body = json!({"message": "Invalid token"}).to_string();
        assert!(refusal(401, &body).genuine && !refusal(404, &body).genuine);
        assert_eq!(refusal(400, r#"{"errors": "Invalid plan"}"#).message, "Invalid plan");
    }
}
