//! The `JSONPath` dialect of `kubectl` and of printer columns, as far as those need it: fields, indexes,
//! `[*]`, quoted names and filters that compare a field with a value.

use serde_json::Value;

/// A compiled path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    Filter { path: JsonPath, operator: Operator, value: Value },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Exists,
}

impl JsonPath {
    /// Compiles a path such as `.status.conditions[?(@.type=="Ready")].status`; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let end = closing_bracket(inner)?;
                steps.push(bracketed(inner[..end].trim())?);
                rest = &inner[end + 1..];
            } else {
                let (name, after) = field_name(rest.strip_prefix('.').unwrap_or(rest));
                if !name.is_empty() {
                    steps.push(if name == "*" { Step::All } else { Step::Field(name) });
                } else if !after.starts_with('[') && !after.is_empty() {
                    return None;
                }
                rest = after;
            }
        }
        Some(Self { steps })
    }

    /// The names on the way, if the path consists of nothing else.
    pub fn field_names(&self) -> Option<Vec<String>> {
        let name = |step: &Step| match step {
            Step::Field(name) => Some(name.clone()),
            _ => None,
        };
        self.steps.iter().map(name).collect()
    }

    /// Everything the path leads to.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.steps
            .iter()
            .fold(vec![value], |found, step| found.into_iter().flat_map(|value| step.of(value)).collect())
    }
}

impl Step {
    fn of<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let index = if *index < 0 { length + index } else { *index };
                usize::try_from(index).ok().and_then(|index| items.get(index)).into_iter().collect()
            }
            Self::All => children(value),
            Self::Filter { path, operator, value: wanted } => {
                let passes = |child: &&Value| {
                    let found = path.find(child);
                    match operator {
                        Operator::Exists => !found.is_empty(),
                        Operator::Equal => found.contains(&wanted),
                        Operator::NotEqual => !found.is_empty() && !found.contains(&wanted),
                    }
                };
                children(value).into_iter().filter(passes).collect()
            }
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// A name up to the next separator, with `\.` for a dot in it, and the rest.
fn field_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (name, &text[at..]),
            other => name.push(other),
        }
    }
    (name, "")
}

/// Where the bracket that is already open closes, strings and inner brackets aside.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), found) if found == open => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            (Some(_) | None, _) => {}
        }
    }
    None
}

fn bracketed(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        return filter_step(filter.trim());
    }
    match literal(text)? {
        Value::String(name) => Some(Step::Field(name)),
        Value::Number(index) => Some(Step::Index(index.as_i64()?)),
        _ => None,
    }
}

fn filter_step(text: &str) -> Option<Step> {
    for (sign, operator) in [("==", Operator::Equal), ("!=", Operator::NotEqual)] {
        if let Some((left, right)) = text.split_once(sign) {
            let path = JsonPath::parse(left.trim().strip_prefix('@')?)?;
            return Some(Step::Filter { path, operator, value: literal(right.trim())? });
        }
    }
    let path = JsonPath::parse(text.strip_prefix('@')?)?;
    Some(Step::Filter { path, operator: Operator::Exists, value: Value::Null })
}

fn literal(text: &str) -> Option<Value> {
    let unquoted = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    match unquoted('\'').or_else(|| unquoted('"')) {
        Some(name) => Some(Value::from(name)),
        None => serde_json::from_str(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_match_those_of_kubectl() {
        let object = json!({
            "metadata": {"labels": {"a.b/c": "dotted"}},
            "items": [{"type": "Ready", "status": "True", "n": 1}, {"type": "Synced", "status": "False", "n": 2}],
            "map": {"x": 1, "y": 2},
        });
        let table = [
            (".items[0].type", json!(["Ready"])),
            ("{.items[-1].type}", json!(["Synced"])),
            ("$.items[*].type", json!(["Ready", "Synced"])),
            (".items[?(@.type==\"Ready\")].status", json!(["True"])),
            (".items[?(@.type=='Synced')].status", json!(["False"])),
            (".items[?(@.n != 1)].type", json!(["Synced"])),
            (".items[?(@.missing)].type", json!([])),
            (".items[7].type", json!([])),
            (".metadata.labels.a\\.b/c", json!(["dotted"])),
            (".metadata.labels['a.b/c']", json!(["dotted"])),
            (".map.*", json!([1, 2])),
            (".missing.field", json!([])),
        ];
        for (path, expected) in table {
            let found = JsonPath::parse(path).expect(path);
            assert_eq!(json!(found.find(&object)), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in [".a[", ".a[?(b==1)]", ".a[x]", ".a..b"] {
            assert_eq!(JsonPath::parse(path), None, "{path}");
        }
    }
}
