//! Merges what is applied into an object, and removes fields from it. Guarantees that list entries keep
//! their order and take the applied order where both lists have them.

use serde_json::{Map, Value};

use super::set::{FieldSet, Step};
use super::shape::{Shape, entries, field, shape};

/// `applied` laid over `live`.
pub(super) fn merge(schema: Option<&Value>, live: &Value, applied: &Value) -> Value {
    match (shape(schema, live), shape(schema, applied), live, applied) {
        (Shape::Fields, Shape::Fields, Value::Object(live), Value::Object(applied)) => {
            let mut merged = live.clone();
            for (name, value) in applied {
                let value = match live.get(name) {
                    Some(live) => merge(field(schema, name).0, live, value),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Shape::Entries, Shape::Entries, ..) => merge_entries(schema, live, applied),
        _ => applied.clone(),
    }
}

fn merge_entries(schema: Option<&Value>, live: &Value, applied: &Value) -> Value {
    let item = schema.and_then(|schema| schema.get("items"));
    let live = entries(schema, live);
    let applied = entries(schema, applied);
    let find = |list: &[(Step, &Value)], step: &Step| list.iter().position(|(found, _)| found == step);
    let merged = |step: &Step, value: &Value| {
        find(&live, step).map_or_else(|| value.clone(), |index| merge(item, live[index].1, value))
    };
    let shared: Vec<&Step> =
        applied.iter().map(|(step, _)| step).filter(|step| find(&live, step).is_some()).collect();
    let (mut out, mut done, mut shared) = (Vec::new(), Vec::<&Step>::new(), shared.into_iter().peekable());
    let (mut live_entries, mut new_entries) = (live.iter().peekable(), applied.iter().peekable());
    while live_entries.peek().is_some() || new_entries.peek().is_some() {
        if let (Some((step, _)), Some((new_step, value))) = (live_entries.peek(), new_entries.peek()) {
            if step == new_step {
                out.push(merged(step, value));
                done.push(step);
                live_entries.next();
                new_entries.next();
                shared.next();
                continue;
            }
            let awaited = shared.peek().is_some_and(|awaited| *awaited != step);
            if find(&applied, step).is_some() && awaited {
                // Its place is where the applied list has it.
                live_entries.next();
                continue;
            }
        }
        if let Some((step, value)) = live_entries.peek() {
            if find(&applied, step).is_none() {
                out.push((*value).clone());
                live_entries.next();
                continue;
            }
            if done.contains(&step) {
                live_entries.next();
            }
        }
        if let Some((step, value)) = new_entries.next() {
            out.push(merged(step, value));
            done.push(step);
            if shared.peek() == Some(&step) {
                shared.next();
            }
        }
    }
    Value::Array(out)
}

/// `value` without the fields of `set`. What loses all its fields becomes null.
pub(super) fn remove(schema: Option<&Value>, value: &Value, set: &FieldSet) -> Value {
    match (shape(schema, value), value) {
        (Shape::Fields, Value::Object(fields)) => {
            let kept = fields.iter().filter_map(|(name, value)| {
                let step = format!("f:{name}");
                let kept = remove_step(field(schema, name).0, value, set, &step)?;
                Some((name.clone(), kept))
            });
            let kept: Map<_, _> = kept.collect();
            if kept.is_empty() && !fields.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        (Shape::Entries, Value::Array(list)) => {
            let item = schema.and_then(|schema| schema.get("items"));
            let kept: Vec<Value> = entries(schema, value)
                .into_iter()
                .filter_map(|(step, value)| remove_step(item, value, set, &step))
                .collect();
            if kept.is_empty() && !list.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        _ => value.clone(),
    }
}

fn remove_step(schema: Option<&Value>, value: &Value, set: &FieldSet, step: &str) -> Option<Value> {
    if set.has(step) {
        return None;
    }
    Some(set.below(step).map_or_else(|| value.clone(), |below| remove(schema, value, below)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn list_entries_keep_order_and_take_the_applied_value() {
        let schema = json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
        for (live, applied, expected) in [
            (json!(["a", "b", "c"]), json!(["x", "b"]), json!(["a", "x", "b", "c"])),
            (json!(["a", "b", "c"]), json!(["c", "a"]), json!(["b", "c", "a"])),
            (json!([]), json!(["c", "a"]), json!(["c", "a"])),
            (json!(["a"]), json!([]), json!(["a"])),
        ] {
            assert_eq!(merge(Some(&schema), &live, &applied), expected, "{live} {applied}");
        }
    }
}
