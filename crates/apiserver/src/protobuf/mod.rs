//! Reads the protobuf that Kubernetes clients in Go send for built-in kinds: `kubectl create configmap` has no other
//! way to write one. The result is the same object as its JSON, or none if it has parts that `messages` does not
//! name. Answers are always JSON, which these clients accept.

mod inert;
mod messages;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use self::messages::{Field, Type};

const MAGIC: &[u8] = b"k8s\0";

/// Reads an object; none if the bytes are malformed or have unsupported parts.
pub(crate) fn read(bytes: &[u8]) -> Option<Value> {
    const TYPE: &[Field] = &[Field(1, "apiVersion", Type::Text), Field(2, "kind", Type::Text)];
    let (mut head, mut raw) = (Map::new(), &[][..]);
    for (number, value) in entries(bytes.strip_prefix(MAGIC)?)? {
        match (number, value) {
            (1, Wire::Bytes(bytes)) => head = message(TYPE, bytes)?,
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let text = |key: &str| head.get(key).and_then(Value::as_str).unwrap_or_default();
    let fields = messages::of(text("apiVersion"), text("kind"))?;
    head.append(&mut message(fields, raw)?);
    Some(Value::Object(head))
}

enum Wire<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The fields of a message in the order they were sent.
fn entries(mut bytes: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Wire::Bytes(value)
            }
            _ => return None,
        };
        found.push((key >> 3, value));
    }
    Some(found)
}

fn message(fields: &[Field], bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    for (number, wire) in entries(bytes)? {
        let Some(Field(_, name, kind)) = fields.iter().find(|Field(known, ..)| *known == number) else {
            // Zero and empty texts are sent for fields that are not set.
            match wire {
                Wire::Number(0) | Wire::Bytes([]) => continue,
                _ => return None,
            }
        };
        if matches!(kind, Type::Ignored) {
            continue;
        }
        let value = decode(*kind, &wire)?;
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty() && matches!(kind, Type::Text),
            Value::Number(number) => number.as_i64() == Some(0) && matches!(kind, Type::Plain),
            Value::Bool(truth) => !truth && matches!(kind, Type::PlainBool),
            _ => false,
        };
        match (kind, object.get_mut(*name)) {
            _ if empty => {}
            (Type::Texts | Type::Messages(_), Some(Value::Array(list))) => list.push(value),
            (Type::Texts | Type::Messages(_), _) => drop(object.insert((*name).to_owned(), json!([value]))),
            (Type::TextMap | Type::BytesMap | Type::AmountMap, Some(Value::Object(map))) => {
                map.append(&mut value.as_object().cloned()?);
            }
            _ => drop(object.insert((*name).to_owned(), value)),
        }
    }
    Some(object)
}

fn decode(kind: Type, wire: &Wire<'_>) -> Option<Value> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().map(Value::String);
    Some(match (kind, wire) {
        (Type::Text | Type::Texts, Wire::Bytes(bytes)) => text(bytes)?,
        (Type::Number | Type::Plain, Wire::Number(number)) => json!(number.cast_signed()),
        (Type::Bool | Type::PlainBool, Wire::Number(number)) => json!(*number != 0),
        (Type::Bytes, Wire::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Type::Message(fields) | Type::Messages(fields), Wire::Bytes(bytes)) => {
            message(fields, bytes)?.into()
        }
        (Type::Amount, Wire::Bytes(bytes)) => {
            message(&[Field(1, "text", Type::Texts)], bytes)?.get("text")?.get(0)?.clone()
        }
        (Type::TextMap | Type::BytesMap | Type::AmountMap, Wire::Bytes(bytes)) => {
            let values = match kind {
                Type::BytesMap => Type::Bytes,
                Type::AmountMap => Type::Amount,
                _ => Type::Texts,
            };
            let (mut key, mut value) = (String::new(), json!(""));
            for (number, wire) in entries(bytes)? {
                match number {
                    1 => decode(Type::Texts, &wire)?.as_str()?.clone_into(&mut key),
                    _ => value = decode(values, &wire)?,
                }
            }
            json!({key: value})
        }
        (Type::Time | Type::MicroTime, Wire::Bytes(bytes)) => {
            time(bytes, if matches!(kind, Type::Time) { SecondsFormat::Secs } else { SecondsFormat::Micros })?
        }
        (Type::NumberOrText | Type::PlainNumberOrText, Wire::Bytes(bytes)) => {
            const FIELDS: &[Field] = &[
                Field(1, "type", Type::Number),
                Field(2, "number", Type::Number),
                Field(3, "text", Type::Text),
            ];
            let found = message(FIELDS, bytes)?;
            let number = found.get("type").is_none_or(|kind| kind == 0);
            let zero = || json!(0);
            let value = found.get(if number { "number" } else { "text" }).cloned().unwrap_or_else(zero);
            if value == 0 && matches!(kind, Type::PlainNumberOrText) { Value::Null } else { value }
        }
        _ => return None,
    })
}

fn time(bytes: &[u8], format: SecondsFormat) -> Option<Value> {
    let (mut seconds, mut nanos) = (0, 0);
    for (number, wire) in entries(bytes)? {
        if let Wire::Number(value) = wire {
            if number == 1 { seconds = value.cast_signed() } else { nanos = u32::try_from(value).ok()? }
        }
    }
    if seconds == 0 && nanos == 0 {
        return Some(Value::Null);
    }
    Some(DateTime::from_timestamp(seconds, nanos)?.to_rfc3339_opts(format, true).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn a_secret_reads_as_its_json() {
        let entry = [field(1, b"a"), field(2, b"hello")].concat();
        let metadata = [field(1, b"s"), field(2, b""), field(8, b"")].concat();
        let secret = [field(1, &metadata), field(2, &entry), vec![5 << 3, 1]].concat();
        let kind = [field(1, b"v1"), field(2, b"Secret")].concat();
        let bytes = [MAGIC.to_vec(), field(1, &kind), field(2, &secret)].concat();
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "aGVsbG8="}, "immutable": true,
        });
        assert_eq!(read(&bytes), Some(expected));
        assert_eq!(read(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn unrecognized_parts_are_kept() {
        let unknown = |content: &[u8]| {
            let kind = [field(1, b"v1"), field(2, b"Secret")].concat();
            [MAGIC.to_vec(), field(1, &kind), field(2, &field(9, content))].concat()
        };
        assert!(read(&unknown(b"")).is_some());
        assert!(read(&unknown(b"x")).is_none());
    }
}
