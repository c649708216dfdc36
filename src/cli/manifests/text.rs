//! From bytes to text: byte order marks, UTF-16 and broken UTF-8, as `kubectl` decodes them.

/// The text of a file. A byte order mark decides the encoding; without one it is UTF-8, in which broken sequences
/// are replaced.
pub(in crate::cli) fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks(2).map(|pair| match pair {
        [first, second] => unit([*first, *second]),
        _ => 0xfffd,
    });
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Whether YAML 1.1 forbids a character, wherever it stands.
pub(super) fn is_forbidden(letter: char) -> bool {
    let allowed = matches!(letter, '\t' | '\n' | '\r' | '\u{85}' | ' '..='~' | '\u{a0}'..='\u{d7ff}')
        || matches!(letter, '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    !allowed
}

/// The text with one kind of line break: YAML 1.1 has three that YAML 1.2 does not have.
pub(super) fn with_plain_breaks(text: &str) -> String {
    text.replace(['\u{85}', '\u{2028}', '\u{2029}'], "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_decide_the_encoding() {
        assert_eq!(decode(b"\xef\xbb\xbfa"), "a");
        assert_eq!(decode(b"\xff\xfea\0\xe4\0"), "a\u{e4}");
        assert_eq!(decode(b"\xfe\xff\0a\0\xe4"), "a\u{e4}");
        assert_eq!(decode(b"\xff\xfea\0\xe4"), "a\u{fffd}");
        assert_eq!(decode(b"caf\xe9"), "caf\u{fffd}");
        assert_eq!(decode("\u{e4}".as_bytes()), "\u{e4}");
    }

    #[test]
    fn control_characters_are_forbidden() {
        assert!("\0\u{1}\u{7f}\u{80}\u{fffe}\u{ffff}".chars().all(is_forbidden));
        assert!(!"a\t\r\n~\u{85}\u{a0}\u{feff}\u{1f600}".chars().any(is_forbidden));
    }
}
