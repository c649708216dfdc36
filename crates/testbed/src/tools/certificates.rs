//! Tools for tests of TLS.

use super::{Place, Tool};

/// Sees certificates as clients do.
pub const OPENSSL: Tool = Tool {
    name: "openssl",
    advice: "install openssl",
    variable: None,
    place: Place::Programs(&["openssl"], &["version"], is_openssl),
    tests: &[("self_hosted", &["tls::"])],
};
/// A server that was built without TLS.
pub const VALKEY_WITHOUT_TLS: Tool = Tool {
    name: "a Valkey server without TLS",
    advice: "set VALKEY_WITHOUT_TLS to the path of a valkey-server that was built without TLS",
    variable: Some("VALKEY_WITHOUT_TLS"),
    place: Place::Variable,
    tests: &[("servers", &["tls::server_without"])],
};

fn is_openssl(printed: &str) -> bool {
    printed.contains("OpenSSL")
}
