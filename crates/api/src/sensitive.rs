//! Text that must not leak: it serialises like any string, but its `Debug` form shows nothing.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::ValidateLength;

/// What is shown in place of a secret.
pub const REDACTED: &str = "<redacted>";

/// A secret that appears in plain text in a spec, such as a migration password.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SensitiveString(String);

impl SensitiveString {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SensitiveString {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for SensitiveString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl ValidateLength<u64> for SensitiveString {
    fn length(&self) -> Option<u64> {
        self.0.length()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_secret() {
        let secret = SensitiveString::from("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "<redacted>");
        assert_eq!(secret.expose(), "hunter2");
    }
}
