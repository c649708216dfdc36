//! How a failed call is classified. Every error enum at a boundary (provider, Kubernetes) maps its variants to a
//! [`Class`]. The class alone decides the retry delay, the condition reason and the metric label: nothing in this
//! crate decides by the text of an error.

use std::time::Duration;

/// What kind of failure a call met, from the caller's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing is wrong with the request; trying again later may work (outage, timeout, 5xx).
    Transient,
    /// The other side requested a pause, for this long if it stated a duration.
    Throttled {
        /// The requested delay.
        after: Option<Duration>,
    },
    /// The object changed meanwhile; observe again and decide again.
    Conflict,
    /// The credentials are missing, unusable or not sufficient.
    Denied,
    /// The request is wrong and stays wrong until a user changes it.
    Invalid,
    /// The object does not exist.
    NotFound,
    /// A defect of this program, or an answer outside of the protocol.
    Bug,
}

impl Class {
    /// All labels.
    pub const LABELS: [&str; 7] =
        ["transient", "throttled", "conflict", "denied", "invalid", "not_found", "bug"];

    /// A short, stable name for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled { .. } => "throttled",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Bug => "bug",
        }
    }
}

/// The first cause of an error: the errors around it only repeat that a call failed.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn every_class_is_among_the_labels() {
        let throttled = Class::Throttled { after: None };
        let classes = [Class::Transient, throttled, Class::Conflict, Class::Denied, Class::Invalid];
        let labels = classes.into_iter().chain([Class::NotFound, Class::Bug]).map(Class::label);
        assert!(labels.eq(Class::LABELS));
    }
}
