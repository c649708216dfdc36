//! A call before it is sent: where it goes, what it carries, and what messages and metrics call it.

use reqwest::Method;
use serde_json::Value;
use std::{fmt, time::Duration};

/// One call, before it is sent.
pub(super) struct Call<'a> {
    /// A stable name for metrics.
    pub(super) operation: &'static str,
    pub(super) doing: String,
    pub(super) method: Method,
    pub(super) segments: Vec<&'a str>,
    pub(super) query: &'static [(&'static str, &'static str)],
    pub(super) body: Option<Value>,
    /// Another limit than that of the client.
    pub(super) patience: Option<Duration>,
}

impl<'a> Call<'a> {
    /// A call to the path of `segments`; `doing` describes it in error messages, `operation` in metrics.
    pub(super) fn to(
        operation: &'static str,
        doing: String,
        method: Method,
        segments: Vec<&'a str>,
        body: Option<Value>,
    ) -> Self {
        Self { operation, doing, method, segments, query: &[], body, patience: None }
    }

    /// A call to the path `below` a service; `verb` describes the operation on it.
    pub(super) fn about(
        reference: &'a Reference,
        operation: &'static str,
        verb: &str,
        method: Method,
        below: &[&'a str],
        body: Option<Value>,
    ) -> Self {
        let mut segments = vec!["v1", "project", &reference.project, "service", &reference.service];
        segments.extend(below);
        Self {
            operation,
            doing: format!("{verb} {reference}"),
            method,
            segments,
            query: &[],
            body,
            patience: None,
        }
    }

    /// The same call with a query.
    pub(super) fn with_query(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }
}

/// Which service a call is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The project.
    pub project: String,
    /// The service's name in it.
    pub service: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "service {} in project {}", self.service, self.project)
    }
}
