//! Rules of a user's access lists. Guarantees that a rule which is stored is one that a server takes.

use crate::provider::outcome::ApiError;

/// Categories of commands.
const CATEGORIES: [&str; 22] = [
    "admin",
    "all",
    "bitmap",
    "blocking",
    "connection",
    "dangerous",
    "fast",
    "geo",
    "hash",
    "hyperloglog",
    "keyspace",
    "list",
    "pubsub",
    "read",
    "scripting",
    "set",
    "slow",
    "sortedset",
    "stream",
    "string",
    "transaction",
    "write",
];

/// Longest rule.
const LONGEST: usize = 255;

/// `item` of the list `list` in normal form; `key` names the list in refusals.
pub(super) fn rule(key: &str, list: &str, item: &str) -> Result<String, ApiError> {
    let refused = || {
        ApiError::bad_request(format!(
            "Invalid input for access_control: '{item}' is not a valid rule of {key}"
        ))
    };
    let valid = !item.is_empty() && item.len() <= LONGEST && !item.contains(char::is_whitespace);
    let normal = match list {
        "categories" | "commands" => item.to_ascii_lowercase(),
        _ => item.to_owned(),
    };
    let valid = valid
        && match list {
            "categories" => signed(&normal)
                .and_then(|name| name.strip_prefix('@'))
                .is_some_and(|name| CATEGORIES.contains(&name)),
            "commands" => signed(&normal).is_some_and(is_command),
            _ => true,
        };
    if valid { Ok(normal) } else { Err(refused()) }
}

/// What follows `+` or `-`.
fn signed(rule: &str) -> Option<&str> {
    rule.strip_prefix('+').or_else(|| rule.strip_prefix('-'))
}

/// A command, with or without a subcommand; whether a server supports it depends on its version.
fn is_command(name: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic())
            && word.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '_' | '-' | '.'))
    };
    name.split('|').count() <= 2 && name.split('|').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_normalised_or_refused() {
        let rule = |list, item| rule("valkey_acl_x", list, item).ok();
        assert_eq!(rule("categories", "+@READ").as_deref(), Some("+@read"));
        assert_eq!(rule("commands", "-CONFIG|set").as_deref(), Some("-config|set"));
        assert_eq!(rule("keys", "App:*").as_deref(), Some("App:*"));
        for (list, wrong) in [
            ("categories", "@read"),
            ("categories", "+@nonsense"),
            ("categories", "+get"),
            ("commands", "get"),
            ("commands", "+@all"),
            ("commands", "+get set"),
            ("commands", "+"),
            ("keys", ""),
            ("channels", "two words"),
        ] {
            assert_eq!(rule(list, wrong), None, "{list} {wrong}");
        }
    }
}
