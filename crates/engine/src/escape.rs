//! Percent-encoding of user names and passwords in a URI.

use std::fmt::Write as _;

/// Percent-encodes the characters with a meaning in the user part of a URI.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
