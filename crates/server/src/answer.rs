//! The other side of the serialization protocol, without I/O: commands as a server reads them, and answers as it writes
//! them.
//!
//! Guarantees: reading never panics, and refuses what is no command; an answer is decoded by [`crate::resp`] to what it
//! was in version 3, and to what clients of version 2 expect in version 2.

use crate::resp::{self, Malformed, Value};

/// Version of the protocol that a client has chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The one of every new connection.
    #[default]
    Two,
    /// With maps, nulls and messages that answer no command.
    Three,
}

/// A command and how many bytes it takes.
type Command = (Vec<Vec<u8>>, usize);

/// The first command of `bytes`; `None` if it is not complete yet. An empty line is a command without words.
pub fn decode_command(bytes: &[u8]) -> Result<Option<Command>, Malformed> {
    match bytes.first() {
        None => Ok(None),
        Some(b'*') => {
            let Some((value, length)) = resp::decode(bytes)? else { return Ok(None) };
            let words = value.elements().iter().map(|word| match word {
                Value::Bytes(bytes) => Ok(bytes.clone()),
                _ => Err(Malformed("a command is an array of texts")),
            });
            Ok(Some((words.collect::<Result<_, _>>()?, length)))
        }
        Some(_) => Ok(inline(bytes)),
    }
}

/// A command as people type it: words up to the end of a line.
fn inline(bytes: &[u8]) -> Option<Command> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = bytes.get(..end).unwrap_or_default();
    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    Some((words.map(<[u8]>::to_vec).collect(), end + 1))
}

/// An answer as it is sent.
pub fn encode(value: &Value, protocol: Protocol) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, protocol, &mut bytes);
    bytes
}

/// A message that answers no command.
pub fn encode_push(elements: &[Value], protocol: Protocol) -> Vec<u8> {
    let mut bytes = Vec::new();
    line(if protocol == Protocol::Three { '>' } else { '*' }, &elements.len().to_string(), &mut bytes);
    for element in elements {
        write(element, protocol, &mut bytes);
    }
    bytes
}

fn write(value: &Value, protocol: Protocol, bytes: &mut Vec<u8>) {
    let three = protocol == Protocol::Three;
    match value {
        Value::Null if three => line('_', "", bytes),
        Value::Null => line('$', "-1", bytes),
        Value::Bytes(content) => text(content, bytes),
        Value::Simple(words) => line('+', &on_one_line(words), bytes),
        Value::Error(words) => line('-', &on_one_line(words), bytes),
        Value::Integer(number) => line(':', &number.to_string(), bytes),
        Value::Boolean(truth) if three => line('#', if *truth { "t" } else { "f" }, bytes),
        Value::Boolean(truth) => line(':', if *truth { "1" } else { "0" }, bytes),
        Value::Double(number) if three => line(',', &number.to_string(), bytes),
        Value::Double(number) => text(number.to_string().as_bytes(), bytes),
        Value::Array(elements) => {
            line('*', &elements.len().to_string(), bytes);
            for element in elements {
                write(element, protocol, bytes);
            }
        }
        Value::Map(pairs) => {
            if three {
                line('%', &pairs.len().to_string(), bytes);
            } else {
                line('*', &(pairs.len() * 2).to_string(), bytes);
            }
            for (key, value) in pairs {
                write(key, protocol, bytes);
                write(value, protocol, bytes);
            }
        }
    }
}

fn line(kind: char, rest: &str, bytes: &mut Vec<u8>) {
    bytes.extend(format!("{kind}{rest}\r\n").into_bytes());
}

fn text(content: &[u8], bytes: &mut Vec<u8>) {
    line('$', &content.len().to_string(), bytes);
    bytes.extend(content);
    bytes.extend(b"\r\n");
}

/// What a client sent may be quoted in an error, and must not end it.
fn on_one_line(words: &str) -> String {
    words.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_arrays_and_as_lines() {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        let table = [
            ("*1\r\n$4\r\nPING\r\n+rest", Some((words(&["PING"]), 14))),
            ("PING  a\r\nrest", Some((words(&["PING", "a"]), 9))),
            ("\r\n", Some((words(&[]), 2))),
            ("*0\r\n", Some((words(&[]), 4))),
            ("", None),
            ("PING", None),
            ("*1\r\n$4\r\nPI", None),
        ];
        for (text, expected) in table {
            assert_eq!(decode_command(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
        for wrong in ["*1\r\n:4\r\n", "*x\r\n", "*1\r\n*1\r\n$1\r\na\r\n"] {
            assert!(decode_command(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn version_two_has_no_maps_and_no_kinds_of_null() {
        let map = Value::Map(vec![(Value::Simple("a".to_owned()), Value::Null)]);
        assert_eq!(encode(&map, Protocol::Two), b"*2\r\n+a\r\n$-1\r\n");
        assert_eq!(encode(&map, Protocol::Three), b"%1\r\n+a\r\n_\r\n");
        let message = [Value::Bytes(b"pong".to_vec())];
        assert_eq!(encode_push(&message, Protocol::Two), b"*1\r\n$4\r\npong\r\n");
        assert_eq!(encode_push(&message, Protocol::Three), b">1\r\n$4\r\npong\r\n");
    }

    #[test]
    fn quoted_text_does_not_end_an_error() {
        let error = Value::Error("ERR unknown command 'a\r\n+OK'".to_owned());
        assert_eq!(encode(&error, Protocol::Two), b"-ERR unknown command 'a  +OK'\r\n");
    }
}
