//! What a scalar means in YAML 1.1, as the Go library behind `kubectl` reads it.
//!
//! `010` is eight and `1_000` a thousand, `off` is false, and `10:20` stays a text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Number, Value};

/// The words of YAML 1.1 that are booleans, in lower case. `True` and `TRUE` mean the same, `tRUE` is a text.
const BOOLEANS: [(&str, bool); 8] = [
    ("y", true),
    ("yes", true),
    ("on", true),
    ("true", true),
    ("n", false),
    ("no", false),
    ("off", false),
    ("false", false),
];

/// The value of a scalar without quotes or with the short name of a standard tag, such as `int`.
///
/// # Errors
/// When the text does not fit the tag, or JSON has no such number.
pub(super) fn tagged(text: &str, tag: Option<&str>) -> Result<Value, String> {
    let value = match tag {
        Some("str") => return Ok(Value::from(text)),
        Some("binary") => return binary(text),
        // A time stays a text.
        Some("timestamp") if starts_with_year(text) => return Ok(Value::from(text)),
        _ => implicit(text)?,
    };
    let fits = match tag {
        Some("int") => value.is_i64() || value.is_u64(),
        Some("float") => value.is_number(),
        Some("bool") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("timestamp") => false,
        _ => true,
    };
    let tag = tag.unwrap_or_default();
    if fits { Ok(value) } else { Err(format!("cannot decode {text:?} as a !!{tag}")) }
}

/// The integer that a text with a leading zero stands for in YAML 1.1; nothing for other texts.
pub(super) fn octal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let leading =
        digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if leading { implicit(text).ok()?.as_i64() } else { None }
}

fn implicit(text: &str) -> Result<Value, String> {
    if ["", "~", "null", "Null", "NULL"].contains(&text) {
        return Ok(Value::Null);
    }
    if let Some((_, boolean)) = BOOLEANS.iter().find(|(word, _)| is_form_of(text, word)) {
        return Ok(Value::Bool(*boolean));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let name = unsigned.strip_prefix('.').unwrap_or_default();
    if is_form_of(name, "inf") || [".nan", ".NaN", ".NAN"].contains(&text) {
        return Err(format!("{text} is a number that JSON does not have"));
    }
    Ok(number(text).unwrap_or_else(|| Value::from(text)))
}

fn number(text: &str) -> Option<Value> {
    match text.bytes().next()? {
        b'.' => float(text),
        b'0'..=b'9' | b'-' | b'+' => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    }
}

/// An integer with a sign and a prefix for its base; a leading zero means base 8.
fn integer(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    if text.len() > digits.len() && text.starts_with('-') {
        return i64::from_str_radix(&format!("-{digits}"), base).ok().map(Value::from);
    }
    u64::from_str_radix(digits, base).ok().map(Value::from)
}

/// A float; a whole one becomes an integer, which is what the API server takes it for.
#[expect(clippy::cast_possible_truncation, reason = "checked: it is whole and below 2^53")]
fn float(text: &str) -> Option<Value> {
    // Else "inf" and "nan" would be numbers too.
    text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)).then_some(())?;
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

fn binary(text: &str) -> Result<Value, String> {
    let text: String = text.split_whitespace().collect();
    let bytes =
        STANDARD.decode(text).map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
    Ok(Value::from(String::from_utf8_lossy(&bytes)))
}

fn starts_with_year(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.by_ref().take(4).filter(u8::is_ascii_digit).count() == 4 && bytes.next() == Some(b'-')
}

/// `off`, `Off` and `OFF`, but not `oFF`.
fn is_form_of(text: &str, word: &str) -> bool {
    text.eq_ignore_ascii_case(word)
        && (text.chars().skip(1).all(|letter| letter.is_ascii_lowercase())
            || text.chars().all(|letter| letter.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_read_as_in_yaml_1_1() {
        let numbers = [
            ("010", 8),
            ("0_17", 15),
            ("1_000", 1000),
            ("0x10", 16),
            ("0X10", 16),
            ("0x_10", 16),
            ("0b11", 3),
            ("0o10", 8),
            ("-010", -8),
            ("+0x10", 16),
            ("0", 0),
            ("-0", 0),
            ("08", 8),
            ("3e2", 300),
            ("1e+2", 100),
            (".5e1", 5),
            ("+.5e1", 5),
            ("300.0", 300),
            ("1_", 1),
            ("-5", -5),
        ];
        for (text, number) in numbers {
            assert_eq!(implicit(text), Ok(json!(number)), "{text}");
        }
        assert_eq!(implicit("300.5"), Ok(json!(300.5)));
        assert_eq!(implicit("18446744073709551615"), Ok(json!(u64::MAX)));
        for text in
            ["_1", "1:30", "10:00:00", "2001-01-01", "._5", "1e400", "inf", "-", "+", "0x", "0b12", "--1"]
        {
            assert_eq!(implicit(text), Ok(json!(text)), "{text}");
        }
        assert!([".inf", "-.Inf", "+.INF", ".nan", ".NaN"].into_iter().all(|text| implicit(text).is_err()));
    }

    #[test]
    fn words_are_read_as_in_yaml_1_1() {
        for (text, value) in
            [("off", false), ("Off", false), ("OFF", false), ("y", true), ("Y", true), ("TRUE", true)]
        {
            assert_eq!(implicit(text), Ok(json!(value)), "{text}");
        }
        assert_eq!((implicit("oFF"), implicit("tRUE")), (Ok(json!("oFF")), Ok(json!("tRUE"))));
        assert!(["", "~", "NULL"].into_iter().all(|text| implicit(text) == Ok(Value::Null)));
    }

    #[test]
    fn a_tag_decides_where_it_fits() {
        assert_eq!(tagged("300", Some("int")), Ok(json!(300)));
        assert_eq!(tagged("on", Some("bool")), Ok(json!(true)));
        assert_eq!(tagged("010", Some("str")), Ok(json!("010")));
        assert_eq!(tagged("010", Some("float")), Ok(json!(8)));
        assert_eq!(tagged("aGVsbG8=", Some("binary")), Ok(json!("hello")));
        assert_eq!(tagged("2001-01-01", Some("timestamp")), Ok(json!("2001-01-01")));
        for (text, tag) in
            [("abc", "int"), ("x", "null"), ("1", "bool"), ("%", "binary"), ("now", "timestamp")]
        {
            assert!(tagged(text, Some(tag)).is_err(), "{text} as {tag}");
        }
    }

    #[test]
    fn a_leading_zero_is_noticed() {
        assert_eq!((octal("010"), octal("-010"), octal("08")), (Some(8), Some(-8), Some(8)));
        assert!(["0", "10", "0x10", "01a", "1_0"].into_iter().all(|text| octal(text).is_none()));
    }
}
