//! Times of Kubernetes, as this program reckons with them.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The moment that an object names, in whole seconds; none outside of the calendar.
pub fn utc(time: &Time) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.0.as_second(), 0)
}
