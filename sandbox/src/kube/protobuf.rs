//! Reads the protobuf that Kubernetes clients in Go send for built-in kinds: `kubectl create configmap` has
//! no other way to write one. Guarantees the same object as its JSON for the fields named here and drops
//! others; answers are always JSON, which these clients accept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

const MAGIC: &[u8] = b"k8s\0";

/// A field of a message: its number, its name in JSON and what it holds.
struct Field(u64, &'static str, Type);

#[derive(Clone, Copy)]
enum Type {
    /// A text; an empty one means nothing.
    Text,
    /// A number or truth that is sent only if it is set.
    Number,
    Bool,
    /// A number or truth that is sent always and means nothing when zero.
    Plain,
    PlainBool,
    Bytes,
    Message(&'static [Field]),
    Texts,
    Messages(&'static [Field]),
    TextMap,
    BytesMap,
    Time,
    MicroTime,
    NumberOrText,
}

const METADATA: &[Field] = &[
    Field(1, "name", Type::Text),
    Field(2, "generateName", Type::Text),
    Field(3, "namespace", Type::Text),
    Field(5, "uid", Type::Text),
    Field(6, "resourceVersion", Type::Text),
    Field(7, "generation", Type::Plain),
    Field(8, "creationTimestamp", Type::Time),
    Field(9, "deletionTimestamp", Type::Time),
    Field(10, "deletionGracePeriodSeconds", Type::Number),
    Field(11, "labels", Type::TextMap),
    Field(12, "annotations", Type::TextMap),
    Field(13, "ownerReferences", Type::Messages(OWNER)),
    Field(14, "finalizers", Type::Texts),
];
const OWNER: &[Field] = &[
    Field(1, "kind", Type::Text),
    Field(3, "name", Type::Text),
    Field(4, "uid", Type::Text),
    Field(5, "apiVersion", Type::Text),
    Field(6, "controller", Type::Bool),
    Field(7, "blockOwnerDeletion", Type::Bool),
];
const REFERENCE: &[Field] = &[
    Field(1, "kind", Type::Text),
    Field(2, "namespace", Type::Text),
    Field(3, "name", Type::Text),
    Field(4, "uid", Type::Text),
    Field(5, "apiVersion", Type::Text),
    Field(6, "resourceVersion", Type::Text),
    Field(7, "fieldPath", Type::Text),
];
const CONFIG_MAP: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "data", Type::TextMap),
    Field(3, "binaryData", Type::BytesMap),
    Field(4, "immutable", Type::Bool),
];
const SECRET: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "data", Type::BytesMap),
    Field(3, "type", Type::Text),
    Field(4, "stringData", Type::TextMap),
    Field(5, "immutable", Type::Bool),
];
const NAMESPACE: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "spec", Type::Message(&[Field(1, "finalizers", Type::Texts)])),
    Field(3, "status", Type::Message(&[Field(1, "phase", Type::Text)])),
];
const SERVICE_ACCOUNT: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "secrets", Type::Messages(REFERENCE)),
    Field(3, "imagePullSecrets", Type::Messages(&[Field(1, "name", Type::Text)])),
    Field(4, "automountServiceAccountToken", Type::Bool),
];
const SERVICE: &[Field] =
    &[Field(1, "metadata", Type::Message(METADATA)), Field(2, "spec", Type::Message(SERVICE_SPEC))];
const SERVICE_SPEC: &[Field] = &[
    Field(1, "ports", Type::Messages(PORT)),
    Field(2, "selector", Type::TextMap),
    Field(3, "clusterIP", Type::Text),
    Field(4, "type", Type::Text),
    Field(5, "externalIPs", Type::Texts),
    Field(7, "sessionAffinity", Type::Text),
    Field(8, "loadBalancerIP", Type::Text),
    Field(9, "loadBalancerSourceRanges", Type::Texts),
    Field(10, "externalName", Type::Text),
    Field(11, "externalTrafficPolicy", Type::Text),
    Field(12, "healthCheckNodePort", Type::Plain),
    Field(13, "publishNotReadyAddresses", Type::PlainBool),
    Field(17, "ipFamilyPolicy", Type::Text),
    Field(18, "clusterIPs", Type::Texts),
    Field(19, "ipFamilies", Type::Texts),
    Field(20, "allocateLoadBalancerNodePorts", Type::Bool),
    Field(21, "loadBalancerClass", Type::Text),
    Field(22, "internalTrafficPolicy", Type::Text),
];
const PORT: &[Field] = &[
    Field(1, "name", Type::Text),
    Field(2, "protocol", Type::Text),
    Field(3, "port", Type::Number),
    Field(4, "targetPort", Type::NumberOrText),
    Field(5, "nodePort", Type::Plain),
    Field(6, "appProtocol", Type::Text),
];
const LEASE: &[Field] =
    &[Field(1, "metadata", Type::Message(METADATA)), Field(2, "spec", Type::Message(LEASE_SPEC))];
const LEASE_SPEC: &[Field] = &[
    Field(1, "holderIdentity", Type::Text),
    Field(2, "leaseDurationSeconds", Type::Number),
    Field(3, "acquireTime", Type::MicroTime),
    Field(4, "renewTime", Type::MicroTime),
    Field(5, "leaseTransitions", Type::Number),
    Field(6, "strategy", Type::Text),
    Field(7, "preferredHolder", Type::Text),
];
const EVENT: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "involvedObject", Type::Message(REFERENCE)),
    Field(3, "reason", Type::Text),
    Field(4, "message", Type::Text),
    Field(5, "source", Type::Message(&[Field(1, "component", Type::Text), Field(2, "host", Type::Text)])),
    Field(6, "firstTimestamp", Type::Time),
    Field(7, "lastTimestamp", Type::Time),
    Field(8, "count", Type::Plain),
    Field(9, "type", Type::Text),
    Field(10, "eventTime", Type::MicroTime),
    Field(12, "action", Type::Text),
    Field(13, "related", Type::Message(REFERENCE)),
    Field(14, "reportingComponent", Type::Text),
    Field(15, "reportingInstance", Type::Text),
];
const DELETE_OPTIONS: &[Field] = &[
    Field(1, "gracePeriodSeconds", Type::Number),
    Field(
        2,
        "preconditions",
        Type::Message(&[Field(1, "uid", Type::Text), Field(2, "resourceVersion", Type::Text)]),
    ),
    Field(3, "orphanDependents", Type::Bool),
    Field(4, "propagationPolicy", Type::Text),
    Field(5, "dryRun", Type::Texts),
];

/// Reads an object; none if the bytes are malformed or the kind is not known.
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
    let fields = match head.get("kind")?.as_str()? {
        "ConfigMap" => CONFIG_MAP,
        "DeleteOptions" => DELETE_OPTIONS,
        "Event" if head.get("apiVersion")? == "v1" => EVENT,
        "Lease" => LEASE,
        "Namespace" => NAMESPACE,
        "Secret" => SECRET,
        "Service" => SERVICE,
        "ServiceAccount" => SERVICE_ACCOUNT,
        _ => return None,
    };
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
            continue;
        };
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
            (Type::TextMap | Type::BytesMap, Some(Value::Object(map))) => {
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
        (Type::TextMap | Type::BytesMap, Wire::Bytes(bytes)) => {
            let values = if matches!(kind, Type::TextMap) { Type::Texts } else { Type::Bytes };
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
        (Type::NumberOrText, Wire::Bytes(bytes)) => {
            const FIELDS: &[Field] = &[
                Field(1, "type", Type::Number),
                Field(2, "number", Type::Number),
                Field(3, "text", Type::Text),
            ];
            let found = message(FIELDS, bytes)?;
            let number = found.get("type").is_none_or(|kind| kind == 0);
            let zero = || json!(0);
            let value = found.get(if number { "number" } else { "text" }).cloned().unwrap_or_else(zero);
            // Zero is what an unset port is sent as.
            if value == 0 { Value::Null } else { value }
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
}
