//! One reason why an object is not acceptable, in the words of a Kubernetes API server. Guarantees the
//! server's texts and machine-readable reasons; collecting the errors into a `Status` is left to the server.

use std::fmt;

use serde_json::Value;

/// A field of an object and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The path of the field, such as `spec.ports[0].port`.
    pub field: String,
    /// The cause's machine-readable reason, such as `FieldValueRequired`.
    pub reason: &'static str,
    /// The message of a cause in the server's `Status`, such as `Required value`.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.message)
    }
}

impl FieldError {
    fn new(field: impl Into<String>, reason: &'static str, message: String) -> Self {
        Self { field: field.into(), reason, message }
    }

    /// The field must be set.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "FieldValueRequired", with_detail("Required value", detail))
    }

    /// The field must not be set, or not now.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "FieldValueForbidden", with_detail("Forbidden", detail))
    }

    /// The value breaks a rule.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(
            field,
            "FieldValueInvalid",
            with_detail(&format!("Invalid value: {}", shown(value)), detail),
        )
    }

    /// Adds to `errors` what is wrong with a text, problem by problem.
    pub fn extend(
        errors: &mut Vec<Self>,
        field: impl Into<String>,
        text: &str,
        problems: impl IntoIterator<Item = String>,
    ) {
        let (field, value) = (field.into(), Value::from(text));
        errors.extend(problems.into_iter().map(|problem| Self::invalid(field.as_str(), &value, &problem)));
    }

    /// The value, shown in a way of its own, breaks a rule.
    pub fn invalid_shown(field: impl Into<String>, shown: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueInvalid", with_detail(&format!("Invalid value: {shown}"), detail))
    }

    /// The value, which is too large to be shown, breaks a rule.
    pub fn invalid_unnamed(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "FieldValueInvalid", with_detail("Invalid value", detail))
    }

    /// The value, which is too large to be shown, occurs twice.
    pub fn duplicate_unnamed(field: impl Into<String>) -> Self {
        Self::new(field, "FieldValueDuplicate", "Duplicate value".to_owned())
    }

    /// The value has another type than it should.
    pub fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self { reason: "FieldValueTypeInvalid", ..Self::invalid(field, value, detail) }
    }

    /// The value is none of `supported`, which is listed in the given order.
    pub fn not_supported<S: AsRef<str>>(field: impl Into<String>, value: &Value, supported: &[S]) -> Self {
        let listed: Vec<String> = supported.iter().map(|value| quoted(value.as_ref())).collect();
        let message = match listed.len() {
            0 => format!("Unsupported value: {}", shown(value)),
            _ => format!("Unsupported value: {}: supported values: {}", shown(value), listed.join(", ")),
        };
        Self::new(field, "FieldValueNotSupported", message)
    }

    /// The value occurs twice where it may occur once.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new(field, "FieldValueDuplicate", format!("Duplicate value: {}", shown(value)))
    }

    /// The field refers to something that does not exist.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::new(field, "FieldValueNotFound", format!("Not found: {}", shown(value)))
    }

    /// The value has more bytes than allowed.
    pub fn too_long(field: impl Into<String>, maximum: u64) -> Self {
        let unit = if maximum == 1 { "byte" } else { "bytes" };
        Self::new(field, "FieldValueTooLong", format!("Too long: may not be more than {maximum} {unit}"))
    }

    /// The list or map has more entries than allowed.
    pub fn too_many(field: impl Into<String>, actual: usize, maximum: u64) -> Self {
        let unit = if maximum == 1 { "item" } else { "items" };
        Self::new(
            field,
            "FieldValueTooMany",
            format!("Too many: {actual}: must have at most {maximum} {unit}"),
        )
    }

    /// The same error with another reason, for rules that name theirs.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }
}

fn with_detail(message: &str, detail: &str) -> String {
    if detail.is_empty() { message.to_owned() } else { format!("{message}: {detail}") }
}

/// A value as an error shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A string in double quotes, escaped the way Go's `%q` does it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            control if control.is_ascii_control() => out.extend(hexadecimal(control)),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A control character the way Go writes it: `\x1b`.
fn hexadecimal(control: char) -> [char; 4] {
    let digit = |value: u32| char::from_digit(value % 16, 16).unwrap_or('0');
    ['\\', 'x', digit(u32::from(control) / 16), digit(u32::from(control))]
}
