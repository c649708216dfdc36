//! Writes YAML that every parser reads the same way.
//!
//! `kubectl` still follows YAML 1.1, where a plain `off` is a boolean, so every text that is not plainly a
//! word or a sentence is quoted. Key order is kept except that what names an object comes first.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

/// Words that some parsers take for something other than text.
const RESERVED: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];

/// One document, without a separator.
///
/// # Errors
/// When the value does not serialise.
pub fn document(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    write_value(&mut text, &serde_json::to_value(value)?, 0);
    Ok(text.trim_start_matches('\n').to_owned())
}

/// Writes a value after its key or dash, ending the line.
fn write_value(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            out.push('\n');
            let mut keys: Vec<_> = entries.iter().collect();
            keys.sort_by_key(|(key, _)| (rank(key), *key));
            for (key, value) in keys {
                let _ = write!(out, "{:indent$}{}:", "", scalar(key));
                write_value(out, value, indent + 2);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                write_item(out, item, indent);
            }
        }
        other => {
            let _ = writeln!(out, " {}", leaf(other));
        }
    }
}

/// Writes one entry of a list; a mapping starts on the line of the dash.
fn write_item(out: &mut String, item: &Value, indent: usize) {
    let mut nested = String::new();
    write_value(&mut nested, item, indent + 2);
    let _ = write!(out, "{:indent$}- {}", "", nested.trim_start());
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// What names an object is read first, its state last.
fn rank(key: &str) -> usize {
    let order = ["apiVersion", "kind", "metadata", "name", "description", "type"];
    order.iter().position(|name| *name == key).unwrap_or(order.len())
}

/// A text as a plain scalar where that is beyond doubt, else quoted.
fn scalar(text: &str) -> String {
    let printable = text.chars().all(|character| character == ' ' || character.is_ascii_graphic());
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    match (printable, plain) {
        (true, true) => text.to_owned(),
        (true, false) => format!("'{}'", text.replace('\'', "''")),
        (false, _) => format!("\"{}\"", text.chars().map(escaped).collect::<String>()),
    }
}

/// A character inside double quotes.
fn escaped(character: char) -> String {
    match character {
        '"' | '\\' => format!("\\{character}"),
        ' '..='~' => character.to_string(),
        '\n' => "\\n".to_owned(),
        other => format!("\\U{:08X}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-z:# '\"-]{0,8}".prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..4)
                    .prop_map(|entries| entries.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in values()) {
            let text = document(&value).unwrap();
            prop_assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), value, "{}", text);
        }
    }

    #[test]
    fn words_that_yaml_1_1_takes_for_booleans_are_quoted() {
        assert_eq!(document(&json!(["off", "rdb", "Yes", "y"])).unwrap(), "- 'off'\n- rdb\n- 'Yes'\n- 'y'\n");
    }

    #[test]
    fn identifying_fields_come_first_and_integers_stay_integers() {
        let object = json!({"spec": {"maximum": 23.0, "enum": []}, "kind": "K", "apiVersion": "v1"});
        assert_eq!(document(&object).unwrap(), "apiVersion: v1\nkind: K\nspec:\n  enum: []\n  maximum: 23\n");
    }
}
