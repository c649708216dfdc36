//! Text that must not be printed: passwords and tokens. `Debug` never shows the value; callers that need it use
//! [`Secret::expose`].

use rand::distr::{Alphanumeric, SampleString as _};
use std::fmt;

/// A password or a token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// A fresh password in the provider's style.
    pub(super) fn generate() -> Self {
        Self(format!("AVNS_{}", Alphanumeric.sample_string(&mut rand::rng(), 19)))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}
