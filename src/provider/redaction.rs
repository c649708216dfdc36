//! Removes secrets from texts of the provider before they are shown: the token of the call, every password in its
//! request body, and anything that resembles a generated password. It removes them as they are, and as encoded in
//! JSON and in a URL.

use serde_json::Value;
use std::{cmp::Reverse, fmt::Write as _};

/// What stands in the place of a secret.
const MASK: &str = "[redacted]";
/// The beginning of every password that the provider generates.
const GENERATED: &str = "AVNS_";
/// The longest provider text that is passed on, in characters.
const LONGEST: usize = 512;

/// The secrets of one call.
#[derive(Default)]
pub(super) struct Redaction(Vec<String>);

impl Redaction {
    /// Collects the secrets that `token` and the request `body` hold.
    pub(super) fn of(token: &str, body: Option<&Value>) -> Self {
        let mut secrets = vec![token.to_owned()];
        if let Some(body) = body {
            collect_passwords(body, &mut secrets);
        }
        let mut secrets: Vec<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
        secrets.retain(|secret| !secret.is_empty());
        // One secret may be the beginning of another.
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        secrets.dedup();
        Self(secrets)
    }

    /// `text` on one line, without secrets, cut to a length that fits into a condition.
    pub(super) fn clean(&self, text: &str) -> String {
        let text = mask_generated(&self.mask(&one_line(text)));
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

impl Redaction {
    /// Goes through the text once: what stands for a secret is not searched for the next one.
    fn mask(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(secret) = self.0.iter().find(|secret| rest.starts_with(secret.as_str())) {
                clean.push_str(MASK);
                rest = &rest[secret.len()..];
            } else {
                clean.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        clean
    }
}

/// White space of any kind and length becomes one blank.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The forms of a secret: in a text on one line, inside JSON in both encodings, and in a URL.
fn forms(secret: &str) -> [String; 4] {
    let quoted = Value::from(secret).to_string();
    let quoted = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    let mut ascii = String::new();
    for unit in quoted.encode_utf16() {
        match u8::try_from(unit).ok().filter(u8::is_ascii) {
            Some(byte) => ascii.push(char::from(byte)),
            None => {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    let mut encoded = String::new();
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // A text takes everything.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    [one_line(secret), one_line(quoted), one_line(&ascii), encoded]
}

fn collect_passwords(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key.contains("password") => into.push(text.clone()),
                    other => collect_passwords(other, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_passwords(item, into)),
        _ => {}
    }
}

fn mask_generated(text: &str) -> String {
    let mut parts = text.split(GENERATED);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str(MASK);
        clean.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_no_trace_in_provider_texts() {
        let body = serde_json::json!({"user_config": {"migration": {"password": "hunter2"}}, "list": [{"new_password": "x9y8"}]});
        let redaction = Redaction::of("tok-1", Some(&body));
        let clean = redaction.clean("bad 'hunter2'\n for tok-1: AVNS_abc-DEF_1, x9y8");
        assert_eq!(clean, "bad '[redacted]' for [redacted]: [redacted], [redacted]");
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let password = "a \"b\"\\  ü/c";
        let body = serde_json::json!({"password": password});
        let redaction = Redaction::of("tok+1=", Some(&body));
        let inside_json = serde_json::json!({"detail": password}).to_string();
        let in_url = "rediss://me:a%20%22b%22%5C%20%20%C3%BC%2Fc@old?t=tok%2B1%3D";
        let in_ascii = inside_json.replace('ü', "\\u00fc");
        for text in [password, &inside_json, &in_ascii, in_url] {
            let clean = redaction.clean(text);
            assert!(clean.contains(MASK) && !clean.contains('b') && !clean.contains("tok"), "{clean}");
        }
    }

    #[test]
    fn a_secret_that_begins_another_does_not_uncover_its_end() {
        let body = serde_json::json!({"password": "token-and-more"});
        assert_eq!(
            Redaction::of("token", Some(&body)).clean("token-and-more token"),
            "[redacted] [redacted]"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let clean = Redaction::default().clean(&"ä".repeat(2000));
        assert_eq!(clean.chars().count(), LONGEST + 1);
    }
}
