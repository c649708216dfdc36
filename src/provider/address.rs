//! Where the provider's API is. An address is accepted once, at start, and only if tokens may be sent
//! there: https anywhere, plain http to this machine alone unless the operator of the cluster insists.

use reqwest::Url;
use std::net::IpAddr;

/// The base address of the provider's API, without the version prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

/// Why an address is not acceptable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// Not a URL at all.
    #[error("the provider address {0:?} is not a URL: {1}")]
    Unreadable(String, String),
    /// Neither http nor https, or without a host.
    #[error("the provider address {0:?} must look like https://HOST or http://127.0.0.1:PORT")]
    Unsupported(String),
    /// Plain http to another machine.
    #[error(
        "the provider address {0:?} would send tokens unencrypted to another machine; use https, or allow it with --allow-plain-http"
    )]
    Unencrypted(String),
}

impl Address {
    /// Reads an address; a trailing slash does not matter.
    pub fn parse(text: &str, allow_plain_http: bool) -> Result<Self, AddressError> {
        let url = Url::parse(text.trim())
            .map_err(|error| AddressError::Unreadable(text.to_owned(), error.to_string()))?;
        let Some(host) = url.host_str() else {
            return Err(AddressError::Unsupported(text.to_owned()));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if loopback || allow_plain_http => Ok(Self(url)),
            "http" => Err(AddressError::Unencrypted(text.to_owned())),
            _ => Err(AddressError::Unsupported(text.to_owned())),
        }
    }

    /// Whether calls are encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL of a path below the address. Each segment is percent-encoded on its own, so a name can
    /// never reach another path; `.` and `..`, which URLs treat specially, give `None`.
    pub(super) fn join(&self, segments: &[&str]) -> Option<Url> {
        if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return None;
        }
        let mut url = self.0.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_travel_encrypted_or_stay_on_this_machine() {
        for good in
            ["https://api.example.com", "http://127.0.0.1:8080/", "http://localhost:1", "http://[::1]:9"]
        {
            assert!(Address::parse(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://api.example.com",
            "ftp://127.0.0.1",
            "api.example.com",
            "",
            "http://127.0.0.1.example.com",
        ] {
            assert!(Address::parse(bad, false).is_err(), "{bad}");
        }
        assert!(Address::parse("http://provider.internal", true).is_ok());
    }

    #[test]
    fn a_name_never_escapes_its_path_segment() {
        let address = Address::parse("https://api.example.com/", false).unwrap();
        let url = address.join(&["v1", "project", "a/../b?x#y%2f", "service"]).unwrap();
        assert_eq!(url.as_str(), "https://api.example.com/v1/project/a%2F..%2Fb%3Fx%23y%252f/service");
        assert_eq!(address.join(&["v1", "project", "..", "service"]), None);
        assert_eq!(address.join(&["v1", "project", "", "service"]), None);
    }
}
