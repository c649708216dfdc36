//! Properties of the protocol's decoder: what is encoded is decoded, what is cut off is incomplete, and any
//! other bytes are refused or read without a panic.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use proptest::prelude::*;
use valkeeper_server::{Info, Protocol, RoleAnswer, Value, answer, resp};

fn values() -> impl Strategy<Value = Value> {
    let line = "[ -~]{0,20}";
    let leaf = prop_oneof![
        Just(Value::Null),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        line.prop_map(Value::Simple),
        line.prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
        any::<i32>().prop_map(|number| Value::Double(number.into())),
    ];
    leaf.prop_recursive(4, 30, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn decoding_reverses_encoding_and_waits_for_the_rest(value in values(), cut in any::<prop::sample::Index>()) {
        let mut bytes = answer::encode(&value, Protocol::Three);
        prop_assert_eq!(resp::decode(&bytes[..cut.index(bytes.len())]).unwrap(), None);
        let length = bytes.len();
        bytes.extend(b"+next\r\n");
        prop_assert_eq!(resp::decode(&bytes).unwrap(), Some((value, length)));
    }

    #[test]
    fn command_is_an_array_of_its_words(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..6)) {
        let slices: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let bytes = resp::encode_command(&slices);
        let expected = Value::Array(words.into_iter().map(Value::Bytes).collect());
        prop_assert_eq!(resp::decode(&bytes).unwrap(), Some((expected, bytes.len())));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(prop_oneof![
        any::<u8>(), prop::sample::select(b"*$+-:%~>|=!,#_\r\n0123456789".to_vec())], 0..200)) {
        if let Ok(Some((value, length))) = resp::decode(&bytes) {
            prop_assert!(length <= bytes.len());
            let _ = (RoleAnswer::parse(&value), value.pairs(), value.integer());
        }
    }

    #[test]
    fn any_text_is_read_as_info(text in "(role|slave0|master_replid|errorstat_X|[a-z]{1,9}):[ -~]{0,30}(\r\n[a-z0-9_]{1,9}:[ -~]{0,30}){0,9}") {
        let info = Info::parse(&text);
        let _ = (info.replication(), info.persistence(), info.memory(), info.errors("X"));
        prop_assert!(info.fields().count() <= text.lines().count());
    }
}

#[test]
fn attributes_and_formats_are_skipped() {
    let decode = |text: &str| resp::decode(text.as_bytes()).unwrap().unwrap().0;
    assert_eq!(decode("|1\r\n+ttl\r\n:3600\r\n+OK\r\n"), Value::Simple("OK".to_owned()));
    assert_eq!(decode("=8\r\ntxt:some\r\n"), Value::Bytes(b"some".to_vec()));
    assert_eq!(decode("$-1\r\n"), Value::Null);
    assert_eq!(decode("!5\r\nERR x\r\n"), Value::Error("ERR x".to_owned()));
}

#[test]
fn hostile_lengths_and_depths_are_refused() {
    for text in ["$99999999999\r\n", "$-2\r\n", "*x\r\n", "?\r\n", "\r\n"] {
        assert!(resp::decode(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(resp::decode("*1\r\n".repeat(100).as_bytes()).is_err());
    // A length alone reserves nothing.
    assert_eq!(resp::decode(b"*400000000\r\n").unwrap(), None);
}
