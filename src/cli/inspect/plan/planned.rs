//! The plan of one resource.

use crate::{
    cli::inspect::find::Resource,
    controller::{Action, Changed},
};
use serde::Serialize;
use valkeeper_api::{Violation, status::DriftedField};

/// The plan of one resource.
#[derive(Serialize)]
pub(super) struct Planned {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) project: String,
    /// The resource exists.
    pub(super) resource_exists: bool,
    /// The service exists.
    pub(super) service_exists: bool,
    /// What is sent to Aiven and written in Kubernetes, in order.
    pub(super) actions: Vec<Action>,
    /// Field by field.
    pub(super) changes: Vec<Changed>,
    /// Differences that nothing is done about.
    pub(super) left: Vec<DriftedField>,
    /// Why it would not work.
    pub(super) problems: Vec<Problem>,
    /// Prices in US dollars per month.
    pub(super) price: Option<Price>,
    pub(super) outcome: Outcome,
}

/// What it costs in a month.
#[derive(Serialize)]
pub(super) struct Price {
    pub(super) before: Option<f64>,
    pub(super) after: f64,
}

/// The condition `Ready` that the plan predicts.
#[derive(Serialize)]
pub(super) struct Outcome {
    pub(super) stuck: bool,
    pub(super) reason: String,
    pub(super) message: String,
}

/// Something that would be refused.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where in the manifest.
    pub(super) field: String,
    /// What is wrong with it, and what to do.
    pub(super) message: String,
}

impl From<&Violation> for Problem {
    fn from(violation: &Violation) -> Self {
        let (field, text) = (violation.field.to_string(), violation.to_string());
        let message = text.strip_prefix(&format!("{field}: ")).unwrap_or(&text).to_owned();
        Self { field, message }
    }
}

/// A plan in which nothing is done.
pub(super) fn refused(resource: &Resource, resource_exists: bool, problems: Vec<Problem>) -> Planned {
    Planned {
        kind: resource.kind.name(),
        namespace: resource.namespace().to_owned(),
        name: resource.name().to_owned(),
        project: resource.text("/spec/project").to_owned(),
        resource_exists,
        service_exists: false,
        actions: Vec::new(),
        changes: Vec::new(),
        left: Vec::new(),
        problems,
        price: None,
        outcome: Outcome { stuck: false, reason: String::new(), message: String::new() },
    }
}
