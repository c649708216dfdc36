//! Specs of any form, built along the schema of their definition: within its bounds for the most part, now and
//! then just outside of them, and seldom of another type altogether.

use super::draw::Draw;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::{Map, Number, Value, json};
use std::{cell::RefCell, collections::HashMap};

/// Texts among which every pattern of the definitions finds some that fit, and some that do not.
const TEXTS: &[&str] = &[
    "cache",
    "my-aiven-project",
    "startup-4",
    "google-europe-west1",
    "aws-eu-west-1",
    "90GiB",
    "1",
    "20g",
    "ops@example.com",
    "a.b+c@example-host.org",
    "10.0.0.0/8",
    "::/0",
    "10.20.30.40/32",
    "2001:db8::/32",
    "KEA",
    "Kg$lshzxeA",
    "",
    "backup-1",
    "11:00:00",
    "23:59:59",
    "monday",
    "0",
    "valkey.example.com",
    "APP_",
    "token",
    "default",
    "1,2",
    "a",
    "zz",
    "A-b_c.d",
    "../../etc",
    "a%2fb",
    "a?b=c",
    "ünïcode",
    "10.0.0.0/33",
    "25:00:00",
    "10:00",
    "x y",
    "\0",
    "-",
    "_",
    ".",
    "99999999999999999999GiB",
    "aiven.io/team",
    "read_replica",
    "valkeeper-owner",
];
/// A password, wherever the schema requires one.
pub(crate) const PASSWORD: &str = "canary-password-51d0";

thread_local! {
    static FITTING: RefCell<HashMap<String, Vec<&'static str>>> = RefCell::default();
}

/// A value for `schema`.
pub(crate) fn value(draw: &mut Draw<'_>, schema: &JSONSchemaProps) -> Value {
    if draw.seldom(64) {
        return anything(draw, 2);
    }
    match schema.type_.as_deref() {
        Some("object") => object(draw, schema),
        Some("array") => array(draw, schema),
        Some("string") => text(draw, schema).into(),
        Some("integer") => integer(draw, schema),
        Some("boolean") => (draw.below(2) == 1).into(),
        _ => anything(draw, 2),
    }
}

/// Any JSON, nested at most `depth` deep.
pub(crate) fn anything(draw: &mut Draw<'_>, depth: usize) -> Value {
    match draw.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => (draw.below(2) == 1).into(),
        2 => draw.number().into(),
        3 => {
            Number::from_f64(f64::from_bits(draw.number().cast_unsigned())).map_or(Value::Null, Value::Number)
        }
        4 => draw.text(12).into(),
        5 => (*draw.pick(TEXTS)).into(),
        6 => (0..draw.below(4)).map(|_| anything(draw, depth - 1)).collect(),
        _ => {
            let entry = |_| (draw.pick(TEXTS).to_string(), anything(draw, depth - 1));
            Value::Object((0..2).map(entry).collect())
        }
    }
}

fn object(draw: &mut Draw<'_>, schema: &JSONSchemaProps) -> Value {
    let mut fields = Map::new();
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let present = if required.contains(name) { !draw.seldom(64) } else { draw.below(3) == 1 };
        if present {
            fields.insert(name.clone(), value(draw, field));
        }
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        for _ in 0..draw.below(4) {
            let key = if draw.seldom(8) { draw.text(70) } else { (*draw.pick(TEXTS)).to_owned() };
            fields.insert(key, value(draw, values));
        }
    }
    if draw.seldom(128) {
        fields.insert(draw.pick(TEXTS).to_string(), anything(draw, 1));
    }
    fields.into()
}

fn array(draw: &mut Draw<'_>, schema: &JSONSchemaProps) -> Value {
    let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items else { return json!([]) };
    let most = schema.max_items.and_then(|most| usize::try_from(most).ok()).unwrap_or(4);
    let length = if draw.seldom(64) { most + 1 } else { draw.below(most.min(4) + 1) };
    (0..length).map(|_| value(draw, items)).collect()
}

fn text(draw: &mut Draw<'_>, schema: &JSONSchemaProps) -> String {
    if schema.format.as_deref() == Some("password") {
        return PASSWORD.to_owned();
    }
    if let Some(choices) = &schema.enum_
        && !draw.seldom(32)
    {
        let choice = draw.below(choices.len());
        return choices.get(choice).and_then(|choice| choice.0.as_str()).unwrap_or_default().to_owned();
    }
    match draw.below(16) {
        0..=12 => fitting(draw, schema),
        13 => (*draw.pick(TEXTS)).to_owned(),
        14 => draw.text(24),
        // Just at a limit, or just beyond.
        _ => {
            let most = schema.max_length.and_then(|most| usize::try_from(most).ok()).unwrap_or(300);
            let length = most + 1 - draw.below(3).min(most);
            let start = fitting(draw, schema);
            let fill = if start.contains('@') {
                format!("{}{start}", "a".repeat(most))
            } else {
                "a".repeat(most + 1)
            };
            let skip = fill.chars().count().saturating_sub(length);
            fill.chars().skip(skip).collect()
        }
    }
}

/// One of the texts that the pattern lets through.
fn fitting(draw: &mut Draw<'_>, schema: &JSONSchemaProps) -> String {
    let pattern = schema.pattern.clone().unwrap_or_default();
    FITTING.with_borrow_mut(|known| {
        let all = known.entry(pattern).or_insert_with_key(|pattern| {
            let pattern = Regex::new(pattern).expect("a pattern of a definition compiles");
            TEXTS.iter().copied().filter(|text| pattern.is_match(text)).collect()
        });
        if all.is_empty() { String::new() } else { (*draw.pick(all)).to_owned() }
    })
}

#[expect(clippy::cast_possible_truncation, reason = "limits of the definitions are small whole numbers")]
fn integer(draw: &mut Draw<'_>, schema: &JSONSchemaProps) -> Value {
    let limit = |limit: Option<f64>, otherwise: i64| limit.map_or(otherwise, |limit| limit as i64);
    let (least, most) = (limit(schema.minimum, 0), limit(schema.maximum, 1_000_000));
    match draw.below(16) {
        0 => least.into(),
        1 => most.into(),
        2 => least.saturating_sub(1).into(),
        3 => most.saturating_add(1).into(),
        4 => json!(5.0),
        _ => (least + draw.number().rem_euclid(most - least + 1)).into(),
    }
}
