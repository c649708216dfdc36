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
    /// More than a host, a port and a path.
    #[error("the provider address must not have a user, a password, a query or a fragment")]
    Adorned,
    /// Plain http to another machine.
    #[error(
        "the provider address {0:?} would send tokens unencrypted to another machine; use https, or allow it with --allow-plain-http"
    )]
    Unencrypted(String),
}

impl Address {
    /// Reads an address; a trailing slash does not matter.
    pub fn parse(text: &str, allow_plain_http: bool) -> Result<Self, AddressError> {
        // What cannot be read may hold a password all the same, and is not repeated then.
        let unusable = |error| if text.contains(['@', '?', '#']) { AddressError::Adorned } else { error };
        let url = Url::parse(text.trim())
            .map_err(|error| unusable(AddressError::Unreadable(text.to_owned(), error.to_string())))?;
        let Some(host) = url.host_str() else {
            return Err(unusable(AddressError::Unsupported(text.to_owned())));
        };
        // They would travel with every request, and a password would compete with the token.
        if !url.username().is_empty() || url.password().is_some() || url.query().or(url.fragment()).is_some()
        {
            return Err(AddressError::Adorned);
        }
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
    /// never reach another path; `.` and `..`, which URLs treat specially, and control characters, some of which
    /// URLs leave out, give `None`.
    pub(super) fn join(&self, segments: &[&str]) -> Option<Url> {
        let special = |segment: &&str| {
            matches!(*segment, "" | "." | "..") || segment.contains(|letter: char| letter.is_ascii_control())
        };
        if segments.iter().any(special) {
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
    fn an_address_holds_nothing_but_host_port_and_path() {
        for bad in [
            "https://me:hunter2@api.example.com",
            "https://me@api.example.com",
            "https://127.0.0.1:80@api.example.com/",
            "https://api.example.com/?project=x",
            "https://api.example.com/#v1",
            "http://127.0.0.1:1/?",
        ] {
            let error = Address::parse(bad, false).unwrap_err();
            assert_eq!(error, AddressError::Adorned, "{bad}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn tricks_with_slashes_and_hosts_lead_nowhere_else() {
        for (text, start) in [
            ("https://api.example.com/base/", "https://api.example.com/base/v1/"),
            ("https://api.example.com//", "https://api.example.com/v1/"),
            ("https://api.example.com/a/../b", "https://api.example.com/b/v1/"),
            ("https://api.example.com\\@evil.example/", "https://api.example.com/@evil.example/v1/"),
            (" https://API.example.com:443 ", "https://api.example.com/v1/"),
        ] {
            let address = Address::parse(text, false).unwrap();
            let url = address.join(&["v1", "project", "p"]).unwrap();
            assert!(url.as_str().starts_with(start), "{text}: {url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_name_is_the_path_stays_below_the_address(
            base in "(/[a-z.%]{0,4}){0,3}", names in proptest::collection::vec("\\PC{0,12}|[./%?#\\\\:@&;0-9a-f]{0,8}|[.\\t\\n\\r/]{0,4}|[\\x00-\\x20]{0,4}", 1..5),
        ) {
            let text = format!("https://api.example.com{base}");
            let Ok(address) = Address::parse(&text, false) else { return Ok(()) };
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let Some(url) = address.join(&names) else { return Ok(()) };
            let own = address.0.path().trim_end_matches('/');
            proptest::prop_assert_eq!(url.host_str(), Some("api.example.com"));
            proptest::prop_assert_eq!((url.query(), url.fragment(), url.scheme()), (None, None, "https"));
            let below: Vec<_> = url.path().strip_prefix(own).unwrap_or_default().split('/').skip(1).collect();
            // As the server reads it.
            let again = Url::parse(url.as_str()).unwrap();
            proptest::prop_assert_eq!(again.path(), url.path());
            proptest::prop_assert!(below.len() >= names.len(), "{} for {:?}", url, names);
            for (segment, name) in below.iter().rev().zip(names.iter().rev()) {
                let read: Vec<u8> = percent_decoded(segment);
                proptest::prop_assert_eq!(String::from_utf8(read).unwrap(), *name);
            }
        }
    }

    fn percent_decoded(segment: &str) -> Vec<u8> {
        let (mut bytes, mut rest) = (Vec::new(), segment.as_bytes());
        while let Some((first, after)) = rest.split_first() {
            let code = (*first == b'%').then(|| std::str::from_utf8(&after[..2]).unwrap());
            bytes.push(code.map_or(*first, |code| u8::from_str_radix(code, 16).unwrap()));
            rest = if code.is_some() { &after[2..] } else { after };
        }
        bytes
    }

    #[test]
    fn a_name_never_escapes_its_path_segment() {
        let address = Address::parse("https://api.example.com/", false).unwrap();
        let url = address.join(&["v1", "project", "a/../b?x#y%2f", "service"]).unwrap();
        assert_eq!(url.as_str(), "https://api.example.com/v1/project/a%2F..%2Fb%3Fx%23y%252f/service");
        assert_eq!(address.join(&["v1", "project", "..", "service"]), None);
        assert_eq!(address.join(&["v1", "project", "", "service"]), None);
        // URLs leave tabs and line breaks out, which would make a parent of this.
        assert_eq!(address.join(&["v1", "project", ".\t.", "service"]), None);
    }
}
