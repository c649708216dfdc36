//! Removes secrets from texts that the provider wrote before anybody sees them: the token of the call,
//! every password in its request body, and anything that looks like a generated password.

use serde_json::Value;

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
        secrets.retain(|secret| !secret.is_empty());
        Self(secrets)
    }

    /// `text` on one line, without secrets, cut to a length that fits into a condition.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for secret in &self.0 {
            text = text.replace(secret, MASK);
        }
        text = mask_generated(&text);
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
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
    fn long_texts_are_cut_between_characters() {
        let clean = Redaction::default().clean(&"ä".repeat(2000));
        assert_eq!(clean.chars().count(), LONGEST + 1);
    }
}
