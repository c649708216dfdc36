//! Label and field selectors. Guarantees the syntax and the errors of a Kubernetes API server; which
//! fields a resource can be selected by is decided here too, as it is part of the syntax to a client.

use serde_json::Value;

use crate::failure::{Answer, Failure, GroupResource};

/// What a list or watch is limited to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    Absent,
    Greater,
    Less,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldRequirement {
    /// JSON pointer into the stored object.
    pointer: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads the selectors of a request; `selectable` are the JSON paths that a custom resource adds.
    pub(crate) fn parse(
        labels: &str,
        fields: &str,
        resource: &GroupResource,
        selectable: Option<&[String]>,
    ) -> Answer<Self> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(fields, resource, selectable)? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether a stored object is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.matches(labels[&requirement.key].as_str()))
            && self.fields.iter().all(|field| {
                let found = object.pointer(&field.pointer);
                let text = match found {
                    None | Some(Value::Null) if TRUTHS.contains(&field.pointer.as_str()) => {
                        "false".to_owned()
                    }
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                (text == field.value) == field.equal
            })
    }
}

impl Requirement {
    fn matches(&self, found: Option<&str>) -> bool {
        let listed = || found.is_some_and(|found| self.values.iter().any(|value| value == found));
        let compare = || Some((found?.parse::<i64>().ok()?, self.values.first()?.parse::<i64>().ok()?));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => found.is_some(),
            Operator::Absent => found.is_none(),
            Operator::Greater => compare().is_some_and(|(found, limit)| found > limit),
            Operator::Less => compare().is_some_and(|(found, limit)| found < limit),
        }
    }
}

fn parse_labels(text: &str) -> Answer<Vec<Requirement>> {
    split_outside_parentheses(text).into_iter().map(|part| parse_requirement(part.trim())).collect()
}

/// Splits at commas that are not part of a set.
fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn parse_requirement(text: &str) -> Answer<Requirement> {
    let requirement = |key: &str, operator, values: Vec<String>| {
        let well_formed = |word: &str, optional: &str| {
            word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c) || optional.contains(c))
        };
        let key = key.trim();
        if key.is_empty() || !well_formed(key, "/") {
            return Err(unparsable(&format!("found '{key}', expected: identifier")));
        }
        match values.iter().find(|value| !well_formed(value, "")) {
            Some(value) => Err(unparsable(&format!("found '{value}', expected: identifier"))),
            None => Ok(Requirement { key: key.to_owned(), operator, values }),
        }
    };
    for (token, operator) in [
        ("!=", Operator::NotIn),
        ("==", Operator::In),
        ("=", Operator::In),
        (">", Operator::Greater),
        ("<", Operator::Less),
    ] {
        if let Some((key, value)) = text.split_once(token) {
            return requirement(key, operator, vec![value.trim().to_owned()]);
        }
    }
    if let Some(key) = text.strip_prefix('!') {
        return requirement(key, Operator::Absent, Vec::new());
    }
    let Some((head, set)) = text.split_once('(') else {
        return requirement(text, Operator::Exists, Vec::new());
    };
    let Some(set) = set.trim_end().strip_suffix(')') else {
        return Err(unparsable("found '', expected: ',' or ')'"));
    };
    let values = set.split(',').map(|value| value.trim().to_owned()).collect();
    match head.split_whitespace().collect::<Vec<_>>().as_slice() {
        [key, "in"] => requirement(key, Operator::In, values),
        [key, "notin"] => requirement(key, Operator::NotIn, values),
        _ => Err(unparsable(&format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", head.trim()))),
    }
}

fn unparsable(what: &str) -> Failure {
    Failure::bad_request(format!("unable to parse requirement: {what}"))
}

fn parse_fields(
    text: &str,
    resource: &GroupResource,
    selectable: Option<&[String]>,
) -> Answer<Vec<FieldRequirement>> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let found = [("!=", false), ("==", true), ("=", true)]
                .into_iter()
                .find_map(|(token, equal)| Some((part.split_once(token)?, equal)));
            let Some(((key, value), equal)) = found else {
                return Err(Failure::bad_request(format!(
                    "invalid selector: '{part}'; can't understand '{part}'"
                )));
            };
            let pointer = field_pointer(key, resource, selectable)?;
            Ok(FieldRequirement { pointer, value: value.to_owned(), equal })
        })
        .collect()
}

/// Fields that are false when they are absent.
const TRUTHS: [&str; 2] = ["/spec/hostNetwork", "/spec/unschedulable"];

const POD_FIELDS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
];

const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "type",
];

fn field_pointer(key: &str, resource: &GroupResource, selectable: Option<&[String]>) -> Answer<String> {
    let pointer = |path: &str| Ok(format!("/{}", path.replace('.', "/")));
    if key == "metadata.name" || key == "metadata.namespace" {
        return pointer(key);
    }
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "secrets") if key == "type" => pointer("type"),
        ("", "namespaces") if key == "status.phase" => pointer(key),
        ("", "services") if key == "spec.clusterIP" || key == "spec.type" => pointer(key),
        ("", "nodes") if key == "spec.unschedulable" => pointer(key),
        ("", "pods") if POD_FIELDS.contains(&key) => pointer(key),
        ("", "events") if EVENT_FIELDS.contains(&key) => pointer(key),
        ("", "events") if key == "source" => pointer("source.component"),
        ("events.k8s.io", "events") => match key {
            "regarding.name" | "regarding.namespace" | "regarding.kind" | "regarding.uid" => {
                pointer(&key.replace("regarding", "involvedObject"))
            }
            "reportingController" => pointer("reportingComponent"),
            "reason" | "type" => pointer(key),
            _ => Err(Failure::bad_request(format!("field label not supported: {key}"))),
        },
        _ if selectable.unwrap_or_default().iter().any(|path| path.strip_prefix('.') == Some(key)) => {
            pointer(key)
        }
        ("", "secrets" | "namespaces" | "nodes" | "pods" | "services" | "events") => {
            Err(Failure::bad_request(format!("field label not supported: {key}")))
        }
        _ if selectable.is_some() => Err(Failure::bad_request(format!("field label not supported: {key}"))),
        _ => Err(Failure::bad_request(format!(
            "\"{key}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        ))),
    }
}

/// Whether a watch that sees `object` replace `previous` reports it, and as what.
pub(crate) fn transition(
    selector: &Selector,
    previous: Option<&Value>,
    object: &Value,
    deleted: bool,
) -> Option<&'static str> {
    if selector.is_empty() {
        return Some(match (previous, deleted) {
            (_, true) => "DELETED",
            (None, _) => "ADDED",
            _ => "MODIFIED",
        });
    }
    let before = previous.is_some_and(|found| selector.matches(found));
    let after = !deleted && selector.matches(object);
    match (before, after) {
        (true, true) => Some("MODIFIED"),
        (true, false) => Some("DELETED"),
        (false, true) => Some("ADDED"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(labels: &str, fields: &str, object: &Value) -> bool {
        let secrets = GroupResource::new("", "secrets");
        Selector::parse(labels, fields, &secrets, None).unwrap().matches(object)
    }

    #[test]
    fn label_requirements_are_combined() {
        let object = json!({"metadata": {"name": "s", "labels": {"app": "x", "tier": "db", "n": "5"}}});
        for (text, expected) in [
            ("app=x,tier in (db, cache)", true),
            ("app==x,!gone", true),
            ("app!=x", false),
            ("gone!=x,app", true),
            ("tier notin (db)", false),
            ("n>4,n<6", true),
            ("gone", false),
            ("", true),
        ] {
            assert_eq!(selects(text, "", &object), expected, "{text}");
        }
    }

    #[test]
    fn fields_select_what_the_resource_offers() {
        let object = json!({"metadata": {"name": "s", "namespace": "d"}, "type": "Opaque"});
        assert!(selects("", "type=Opaque,metadata.name!=zz", &object));
        assert!(!selects("", "metadata.namespace=other", &object));
        let unknown = Selector::parse("", "a=b", &GroupResource::new("", "secrets"), None).unwrap_err();
        assert_eq!(unknown.status()["message"], "field label not supported: a");
    }

    #[test]
    fn malformed_selectors_are_bad_requests() {
        let configmaps = GroupResource::new("", "configmaps");
        for labels in ["a===", "a in (b", "a b c"] {
            assert!(Selector::parse(labels, "", &configmaps, None).is_err(), "{labels}");
        }
        assert!(Selector::parse("", "a", &configmaps, None).is_err());
    }
}
