//! What is read of dumps, whole, cut off and odd ones.

use super::*;
use proptest::prelude::*;

fn dump(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"REDIS0011".to_vec();
    bytes.extend_from_slice(b"\xFA\x08used-mem\xC2\x10\x27\x00\x00");
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"\xFF12345678");
    bytes
}

#[test]
fn keys_are_counted_by_database() {
    let body = b"\xFE\x00\xFB\x02\x01\x00\x01a\x01x\xFC12345678\x00\x01b\xC0\x07\xFE\x05\xFB\x01\x00\x02\x01c\x02\x01x\x01y";
    let summary = summarize(&mut &dump(body)[..]).unwrap();
    assert_eq!(summary.keys, Some(BTreeMap::from([(0, 2), (5, 1)])));
    assert_eq!((summary.header.as_str(), summary.used_memory), ("REDIS0011", Some(10_000)));
    assert_eq!(summarize(&mut &dump(b"")[..]).unwrap().keys, Some(BTreeMap::new()));
}

#[test]
fn what_is_not_known_is_not_counted() {
    let summary = summarize(&mut &dump(b"\xFE\x00\x63\x01a\x01x")[..]).unwrap();
    assert_eq!((summary.keys, summary.used_memory), (None, Some(10_000)));
    assert_eq!(summarize(&mut &b"SQLite003-and-more"[..]).unwrap().keys, None);
}

#[test]
fn cut_off_dump_is_an_error() {
    let whole = dump(b"\xFE\x00\x00\x01a\x05xxxxx");
    // The checksum behind the end is not read here.
    for end in 0..whole.len() - 8 {
        assert!(summarize(&mut &whole[..end]).is_err(), "{end}");
    }
    assert!(summarize(&mut &whole[..whole.len() - 8]).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = summarize(&mut &dump(&bytes)[..]);
        let _ = summarize(&mut &bytes[..]);
    }
}
