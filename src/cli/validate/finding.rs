//! What is wrong or remarkable, and where.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use std::fmt;
use valkeeper_api::{Violation, field_path::FieldPath};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server or the operator refuses it.
    Error,
    /// It is legal, and probably not what is meant.
    Warning,
}

/// What sort of finding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// `kubectl` cannot read the document.
    Unreadable,
    /// `kubectl` reads the document in a way that may not be meant.
    Yaml,
    /// The API server does not serve this kind or version.
    UnknownKind,
    /// A field breaks a rule.
    InvalidField,
    /// A field is legal and has no effect, or another one than it seems.
    PointlessField,
    /// Two resources cannot exist side by side.
    Conflict,
}

impl Check {
    /// Every check with a sentence about it.
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::Unreadable, "kubectl cannot read the document."),
        (Self::Yaml, "kubectl reads the document in a way that may not be meant."),
        (Self::UnknownKind, "The API server does not serve this kind or version."),
        (Self::InvalidField, "A field breaks a rule of the API server or the operator."),
        (Self::PointlessField, "A field is legal and has no effect, or another effect than it seems."),
        (Self::Conflict, "Two resources cannot exist side by side."),
    ];

    /// Its name in machine-readable output.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Yaml => "yaml",
            Self::UnknownKind => "unknown-kind",
            Self::InvalidField => "invalid-field",
            Self::PointlessField => "pointless-field",
            Self::Conflict => "conflict",
        }
    }
}

/// A violation and where it is.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What sort it is.
    pub check: Check,
    /// The file, or `-`.
    pub path: String,
    /// Line in the file, counted from 1.
    pub line: usize,
    /// Column in the line, counted from 1.
    pub column: usize,
    /// Kind of the resource; empty when the file cannot be read as manifests.
    pub kind: String,
    /// Name of the resource.
    pub name: String,
    /// What is wrong.
    pub violation: Violation,
}

impl Finding {
    /// What is wrong, with the field and its value, on one line.
    pub fn message(&self) -> String {
        if self.violation.field == FieldPath::default() {
            return self.violation.rule.clone();
        }
        self.violation.to_string()
    }

    /// The resource, as `Kind/name`; empty when there is none.
    pub fn resource(&self) -> String {
        // A name may hold anything until the API server has seen it.
        if self.kind.is_empty() {
            String::new()
        } else {
            format!("{}/{}", self.kind, self.name.escape_debug())
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: ", self.path, self.line, self.column)?;
        if self.severity == Severity::Warning {
            formatter.write_str("warning: ")?;
        }
        if !self.kind.is_empty() {
            write!(formatter, "{}: ", self.resource())?;
        }
        formatter.write_str(&self.message())
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Finding", 11)?;
        fields.serialize_field("severity", &self.severity)?;
        fields.serialize_field("check", &self.check)?;
        fields.serialize_field("path", &self.path)?;
        fields.serialize_field("line", &self.line)?;
        fields.serialize_field("column", &self.column)?;
        fields.serialize_field("kind", &self.kind)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("field", &self.violation.field)?;
        fields.serialize_field("value", &self.violation.value)?;
        fields.serialize_field("rule", &self.violation.rule)?;
        fields.serialize_field("message", &self.message())?;
        fields.end()
    }
}
