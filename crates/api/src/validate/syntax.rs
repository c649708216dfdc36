//! The grammars of names that the API server or the provider would reject later, with less context.

use std::net::IpAddr;

/// A time of day as `HH:mm:ss`.
pub(super) fn is_time_of_day(text: &str) -> bool {
    let limits = [24, 60, 60];
    let parts: Vec<_> = text.split(':').collect();
    let within = |(part, limit): (&&str, &u8)| {
        part.len() == 2
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && part.parse::<u8>().is_ok_and(|number| number < *limit)
    };
    parts.len() == limits.len() && parts.iter().zip(&limits).all(within)
}

/// An address block such as `10.20.0.0/16` or `::/0`.
pub(super) fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.bytes().all(|byte| byte.is_ascii_digit())
        && length.parse::<u8>().is_ok_and(|length| length <= most)
}

/// What most objects may be called (RFC 1123 subdomain).
pub(super) fn is_object_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// The characters of a key in a Secret.
pub(super) fn is_secret_key_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// What a namespace may be called (RFC 1123 label).
pub(super) fn is_namespace_name(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_object_name(text)
}

/// The key of a label or annotation: an optional domain, a slash, a name.
pub(super) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => is_object_name(domain) && is_label_word(name),
        None => is_label_word(text),
    }
}

/// The value of a label: empty or a word.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_word(text)
}

fn is_label_word(text: &str) -> bool {
    let ends = |end: Option<u8>| end.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63 && is_secret_key_text(text) && ends(text.bytes().next()) && ends(text.bytes().last())
}

/// The key of a tag at the provider.
pub(super) fn is_tag_key(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_have_three_parts_of_two_digits() {
        assert!(["00:00:00", "23:59:59", "11:00:00"].into_iter().all(is_time_of_day));
        let wrong = [
            "",
            "24:00:00",
            "10:60:00",
            "10:00:60",
            "10:00",
            "1:00:00",
            "10:00:00Z",
            "+1:00:00",
            "１0:00:00",
        ];
        assert!(!wrong.into_iter().any(is_time_of_day));
    }

    #[test]
    fn address_blocks_need_a_length_that_fits_the_address() {
        assert!(
            ["0.0.0.0/0", "10.20.0.0/16", "::/0", "2001:db8::/32", "10.0.0.1/32"].into_iter().all(is_cidr)
        );
        let wrong =
            ["", "10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "a/8", "/8"];
        assert!(!wrong.into_iter().any(is_cidr));
    }

    #[test]
    fn names_follow_the_grammar_of_kubernetes() {
        assert!(["a", "my-secret.v1", "0a"].into_iter().all(is_object_name));
        assert!(!["", "A", "-a", "a-", "a..b", "a_b", "a/b"].into_iter().any(is_object_name));
        assert!(["a", "example.com/a_b.C"].into_iter().all(is_label_key));
        assert!(!["", "/a", "a/", "a/b/c", "-a", "a b", "é"].into_iter().any(is_label_key));
        assert!(!is_label_word(&"x".repeat(64)) && !is_object_name(&"x".repeat(254)));
    }
}
