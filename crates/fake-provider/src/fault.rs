//! Injected faults: which request fails, and how.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::config::ErrorStyle;
use crate::reply::Fail;

/// Selects requests by method, path, and position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    method: Option<String>,
    path: Option<String>,
    part: Option<String>,
    skip: u32,
    times: Option<u32>,
}

impl Matching {
    /// Matches every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Matches requests with a method.
    pub fn method(method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..Self::default() }
    }

    /// Restricts to an exact path without the query, for example `/v1/me`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Restricts to paths that contain a text.
    #[must_use]
    pub fn path_contains(mut self, part: &str) -> Self {
        self.part = Some(part.to_owned());
        self
    }

    /// Lets the fault begin with the n-th matching request, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: u32) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// Ends the fault after a number of requests. The default is one request.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.path.as_deref().is_none_or(|wanted| wanted == path)
            && self.part.as_deref().is_none_or(|part| path.contains(part))
    }
}

/// Value of a `Retry-After` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// Seconds.
    Seconds(u64),
    /// An HTTP date.
    Date(DateTime<Utc>),
}

impl RetryAfter {
    fn header(self) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Date(time) => time.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        }
    }
}

/// What happens instead of the regular answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request has no effect and gets this answer.
    Respond {
        /// Status.
        status: u16,
        /// Headers.
        headers: Vec<(String, String)>,
        /// Body.
        body: String,
    },
    /// The request takes effect, but gets this answer.
    RespondAfterEffect {
        /// Status.
        status: u16,
        /// Body.
        body: String,
    },
    /// The connection is reset before the request takes effect.
    Reset,
    /// The request takes effect, then the connection is reset.
    ResetAfterEffect,
    /// The regular answer and the effect come after a duration, also if the client gives up earlier.
    LateEffect(Duration),
    /// As `LateEffect`, until [`crate::FakeProvider::release_held`].
    Held,
    /// The effect comes immediately, the answer after a duration.
    SlowAnswer(Duration),
}

impl Answer {
    /// Answers with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".into(), "application/json".into())];
        Self::Respond { status, headers, body: body.to_string() }
    }

    /// Answers with an error in the usual form.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &Fail::new(status, message).body(ErrorStyle::Objects))
    }

    /// Answers with the HTML page of a proxy.
    pub fn proxy_page(status: u16) -> Self {
        let body = format!(
            "<html>\r\n<head><title>{status} Error</title></head>\r\n<body>\r\n<center><h1>{status} Error</h1>\
             </center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::Respond { status, headers: vec![("content-type".into(), "text/html".into())], body }
    }

    /// Answers that a project does not exist.
    pub fn project_not_found(project: &str) -> Self {
        Self::json(404, &Fail::no_project(project).body(ErrorStyle::Objects))
    }

    /// Answers that the token is invalid.
    pub fn invalid_token() -> Self {
        Self::error(401, "Invalid token")
    }

    /// Answers that the caller is not a project member, as happens shortly after a grant.
    pub fn not_project_member() -> Self {
        Self::error(403, "Not a project member")
    }

    /// Answers with 409.
    pub fn conflict(message: &str) -> Self {
        Self::error(409, message)
    }

    /// Answers with 500.
    pub fn internal_error() -> Self {
        Self::error(500, "An error occurred. Please try again later.")
    }

    /// Answers with 429, with or without `Retry-After`.
    pub fn too_many_requests(retry_after: Option<RetryAfter>) -> Self {
        let body = Fail::new(429, "Too many requests").body(ErrorStyle::Objects).to_string();
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(retry_after.map(|value| ("retry-after".to_owned(), value.header())));
        Self::Respond { status: 429, headers, body }
    }

    /// Answers as a retired endpoint: without a top-level message.
    pub fn retired_endpoint() -> Self {
        Self::json(
            410,
            &json!({"errors": [{"error_code": "retired_api_endpoint",
            "message": "This API endpoint is retired"}]}),
        )
    }
}

/// An installed fault.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    matching: Matching,
    answer: Answer,
    seen: u32,
    fired: u32,
}

/// Installed faults in their order; the first that fires decides.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, matching: Matching, answer: Answer) {
        self.list.push(Fault { matching, answer, seen: 0, fired: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// Every fault counts every request that matches it; the first one that is due fires.
    pub(crate) fn next(&mut self, method: &str, path: &str) -> Option<Answer> {
        let mut result = None;
        for fault in self.list.iter_mut().filter(|fault| fault.matching.fits(method, path)) {
            fault.seen = fault.seen.saturating_add(1);
            let due = fault.seen > fault.matching.skip && fault.fired < fault.matching.times.unwrap_or(1);
            if due && result.is_none() {
                fault.fired += 1;
                result = Some(fault.answer.clone());
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_fires_on_nth_matching_request() {
        let mut faults = Faults::default();
        faults.add(Matching::method("GET").path("/v1/me").nth(2).times(2), Answer::Reset);
        assert_eq!(faults.next("PUT", "/v1/me"), None);
        assert_eq!(faults.next("GET", "/v1/me"), None);
        assert_eq!(faults.next("GET", "/v1/me"), Some(Answer::Reset));
        assert_eq!(faults.next("GET", "/v1/me"), Some(Answer::Reset));
        assert_eq!(faults.next("GET", "/v1/me"), None);
    }

    #[test]
    fn retry_after_date_has_http_form() {
        let time = DateTime::from_timestamp(784_111_777, 0).unwrap();
        assert_eq!(RetryAfter::Date(time).header(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
