//! The serialization protocol of Valkey and Redis, versions 2 and 3, without I/O.
//!
//! Guarantees: decoding never panics and never allocates more than the input justifies; input that is cut off
//! anywhere is reported as incomplete, not as wrong; a value takes exactly the bytes that it was encoded to.

/// Longest text or binary value that is accepted.
const LONGEST: usize = 512 << 20;
/// Deepest nesting that is accepted.
const DEEPEST: usize = 16;

/// An answer of a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Text or bytes.
    Bytes(Vec<u8>),
    /// A short answer such as `OK`.
    Simple(String),
    /// An error.
    Error(String),
    /// A number.
    Integer(i64),
    /// A number with a fraction; infinities and NaN included.
    Double(f64),
    /// True or false.
    Boolean(bool),
    /// An array, a set or a push message.
    Array(Vec<Value>),
    /// Pairs, in the order of the server.
    Map(Vec<(Value, Value)>),
}

/// Why bytes are not RESP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

impl Value {
    /// As text, if it is any kind of text or a number.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Simple(text) => Some(text.clone()),
            Self::Integer(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// As a number, if it is one or is the text of one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => other.text()?.parse().ok(),
        }
    }

    /// The elements, if it has any.
    pub fn elements(&self) -> &[Value] {
        match self {
            Self::Array(elements) => elements,
            _ => &[],
        }
    }

    /// The pairs of a map, or of the flat array that version 2 uses for one.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let texts = |key: &Value, value: &Value| Some((key.text()?, value.text()?));
        match self {
            Self::Map(pairs) => pairs.iter().filter_map(|(key, value)| texts(key, value)).collect(),
            other => {
                let pairs = other.elements().as_chunks::<2>().0;
                pairs.iter().filter_map(|[key, value]| texts(key, value)).collect()
            }
        }
    }
}

/// A command as a server reads it.
pub fn encode_command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The first value of `bytes` and how many bytes it takes; `None` if it is not complete yet.
pub fn decode(bytes: &[u8]) -> Result<Option<(Value, usize)>, Malformed> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(DEEPEST)?;
    Ok(value.map(|value| (value, reader.at)))
}

struct Reader<'bytes> {
    bytes: &'bytes [u8],
    at: usize,
}

/// `None` stands for input that is not complete.
type Partial<T> = Result<Option<T>, Malformed>;

macro_rules! complete {
    ($partial:expr) => {
        match $partial? {
            Some(value) => value,
            None => return Ok(None),
        }
    };
}

impl<'bytes> Reader<'bytes> {
    fn value(&mut self, depth: usize) -> Partial<Value> {
        let Some(depth) = depth.checked_sub(1) else { return Err(Malformed("nested too deeply")) };
        let line = complete!(self.line());
        let Some((kind, rest)) = line.split_first() else { return Err(Malformed("empty line")) };
        let text = || String::from_utf8_lossy(rest).into_owned();
        Ok(Some(match kind {
            b'+' | b'(' => Value::Simple(text()),
            b'-' => Value::Error(text()),
            b':' => Value::Integer(number(rest)?),
            b',' => Value::Double(text().parse().map_err(|_| Malformed("not a number"))?),
            b'#' => Value::Boolean(rest == b"t"),
            b'_' => Value::Null,
            b'$' => match length(rest)? {
                Some(length) => Value::Bytes(complete!(self.exactly(length)).to_vec()),
                None => Value::Null,
            },
            b'=' => {
                let bytes = complete!(self.exactly(length(rest)?.unwrap_or(0)));
                // Three letters name the format, then comes a colon.
                Value::Bytes(bytes.get(4..).unwrap_or_default().to_vec())
            }
            b'!' => {
                let bytes = complete!(self.exactly(length(rest)?.unwrap_or(0)));
                Value::Error(String::from_utf8_lossy(bytes).into_owned())
            }
            b'*' | b'~' | b'>' => match length(rest)? {
                Some(count) => Value::Array(complete!(self.many(count, depth))),
                None => Value::Null,
            },
            b'%' => Value::Map(complete!(self.pairs(length(rest)?.unwrap_or(0), depth))),
            b'|' => {
                // Attributes describe the value that follows.
                complete!(self.pairs(length(rest)?.unwrap_or(0), depth));
                complete!(self.value(depth))
            }
            _ => return Err(Malformed("unknown type of value")),
        }))
    }

    fn line(&mut self) -> Partial<&'bytes [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
            return if rest.len() > LONGEST { Err(Malformed("line too long")) } else { Ok(None) };
        };
        self.at += end + 2;
        Ok(rest.get(..end))
    }

    fn exactly(&mut self, length: usize) -> Partial<&'bytes [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.get(length..length + 2) {
            Some(b"\r\n") => {
                self.at += length + 2;
                Ok(rest.get(..length))
            }
            Some(_) => Err(Malformed("text longer than its length")),
            None => Ok(None),
        }
    }

    fn many(&mut self, count: usize, depth: usize) -> Partial<Vec<Value>> {
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(complete!(self.value(depth)));
        }
        Ok(Some(values))
    }

    fn pairs(&mut self, count: usize, depth: usize) -> Partial<Vec<(Value, Value)>> {
        let mut pairs = Vec::new();
        for _ in 0..count {
            let key = complete!(self.value(depth));
            pairs.push((key, complete!(self.value(depth))));
        }
        Ok(Some(pairs))
    }
}

fn number(text: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Malformed("not a number"))
}

fn length(text: &[u8]) -> Result<Option<usize>, Malformed> {
    match number(text)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) if length <= LONGEST => Ok(Some(length)),
            _ => Err(Malformed("impossible length")),
        },
    }
}
