//! Formats of names, keys and values of labels, with the messages of the API server. Every function returns the
//! violations, and nothing if the text is valid.

use std::sync::LazyLock;

use regex::Regex;

const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const OLD_LABEL: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const CONFIG_KEY: &str = "[-._a-zA-Z0-9]+";

/// A syntax: the expression, what it means in words, and examples.
struct Syntax {
    expression: &'static str,
    compiled: LazyLock<Option<Regex>>,
    words: &'static str,
    examples: &'static [&'static str],
}

macro_rules! syntax {
    ($name:ident, $expression:ident, $words:literal, $examples:expr) => {
        static $name: Syntax = Syntax {
            expression: $expression,
            compiled: LazyLock::new(|| Regex::new(&format!("^(?:{})$", $expression)).ok()),
            words: $words,
            examples: $examples,
        };
    };
}

syntax!(
    SUBDOMAIN_SYNTAX,
    SUBDOMAIN,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    &["example.com"]
);
syntax!(
    LABEL_SYNTAX,
    LABEL,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
    &["my-name", "123-abc"]
);
syntax!(
    OLD_LABEL_SYNTAX,
    OLD_LABEL,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    &["my-name", "abc-123"]
);
syntax!(
    QUALIFIED_SYNTAX,
    QUALIFIED,
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    &["MyName", "my.name", "123-abc"]
);
syntax!(
    LABEL_VALUE_SYNTAX,
    LABEL_VALUE,
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    &["MyValue", "my_value", "12345"]
);
syntax!(
    CONFIG_KEY_SYNTAX,
    CONFIG_KEY,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    &["key.name", "KEY_NAME", "key-name"]
);

impl Syntax {
    fn matches(&self, text: &str) -> bool {
        self.compiled.as_ref().is_some_and(|compiled| compiled.is_match(text))
    }

    fn message(&self) -> String {
        let examples: Vec<String> = self.examples.iter().map(|example| format!("'{example}'")).collect();
        let examples = examples.join(",  or ");
        format!("{} (e.g. {examples}, regex used for validation is '{}')", self.words, self.expression)
    }

    fn problem(&self, text: &str) -> Option<String> {
        (!self.matches(text)).then(|| self.message())
    }
}

fn longer_than(text: &str, maximum: usize, unit: &str) -> Option<String> {
    (text.len() > maximum).then(|| format!("must be no more than {maximum} {unit}"))
}

/// A DNS subdomain, RFC 1123.
pub(crate) fn subdomain(text: &str) -> Vec<String> {
    longer_than(text, 253, "characters").into_iter().chain(SUBDOMAIN_SYNTAX.problem(text)).collect()
}

/// A DNS label, RFC 1123.
pub(crate) fn label(text: &str) -> Vec<String> {
    let syntax = LABEL_SYNTAX.problem(text).map(|problem| {
        if SUBDOMAIN_SYNTAX.matches(text) { "must not contain dots".to_owned() } else { problem }
    });
    longer_than(text, 63, "characters").into_iter().chain(syntax).collect()
}

/// A DNS label, RFC 1035.
pub(crate) fn old_label(text: &str) -> Vec<String> {
    longer_than(text, 63, "characters").into_iter().chain(OLD_LABEL_SYNTAX.problem(text)).collect()
}

/// A name that can be a segment of a path.
pub(crate) fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"]
        .iter()
        .filter(|part| text.contains(**part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

/// The key of a label or annotation: a name with an optional DNS prefix.
pub(crate) fn qualified_name(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".to_owned());
            } else {
                problems
                    .extend(subdomain(prefix).into_iter().map(|problem| format!("prefix part {problem}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                QUALIFIED_SYNTAX.message()
            )];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    }
    let rest = longer_than(name, 63, "bytes").into_iter().chain(QUALIFIED_SYNTAX.problem(name));
    problems.extend(rest.map(|problem| format!("name part {problem}")));
    problems
}

/// The value of a label.
pub(crate) fn label_value(text: &str) -> Vec<String> {
    longer_than(text, 63, "bytes").into_iter().chain(LABEL_VALUE_SYNTAX.problem(text)).collect()
}

/// A key in the data of a secret or config map.
pub(crate) fn config_key(text: &str) -> Vec<String> {
    let dots = match text {
        "." => Some("must not be '.'"),
        ".." => Some("must not be '..'"),
        _ if text.starts_with("..") => Some("must not start with '..'"),
        _ => None,
    };
    let long = longer_than(text, 253, "characters");
    long.into_iter().chain(CONFIG_KEY_SYNTAX.problem(text)).chain(dots.map(str::to_owned)).collect()
}
