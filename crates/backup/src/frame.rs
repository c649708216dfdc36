//! Where the data of a full synchronization ends, in the stream that carries it. Pure.
//!
//! A server announces either the length, `$123`, or a mark of 40 bytes that follows the data, `$EOF:…`. Guarantees:
//! exactly the data is handed on, however the stream is cut into pieces.

use memchr::memmem;

/// Bytes of a mark.
const MARK: usize = 40;

/// The end that a server announced.
#[derive(Debug)]
pub(crate) enum Frame {
    /// So many bytes are still to come.
    Length(u64),
    /// These bytes follow the data; and what may be the beginning of them.
    Mark(Vec<u8>, Vec<u8>),
    /// It has come.
    Over,
}

impl Frame {
    /// From the line that announces it, without its end.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let announced = line.strip_prefix('$')?;
        match announced.strip_prefix("EOF:") {
            Some(mark) => (mark.len() == MARK).then(|| Self::Mark(mark.into(), Vec::new())),
            None => announced.parse().ok().map(Self::Length),
        }
    }

    /// Whether all of the data has come.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Over | Self::Length(0))
    }

    /// Takes in a piece of the stream; answers the data in it.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::Over => Vec::new(),
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
                *left -= taken as u64;
                piece[..taken].to_vec()
            }
            Self::Mark(mark, held) => {
                held.extend_from_slice(piece);
                if let Some(end) = memmem::find(held, mark) {
                    held.truncate(end);
                    let data = std::mem::take(held);
                    *self = Self::Over;
                    return data;
                }
                let tail = held.split_off(held.len().saturating_sub(MARK - 1));
                std::mem::replace(held, tail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_announcements_of_servers_are_understood() {
        assert!(matches!(Frame::parse("$12"), Some(Frame::Length(12))));
        assert!(matches!(Frame::parse(&format!("$EOF:{}", "a".repeat(40))), Some(Frame::Mark(..))));
        for other in ["", "12", "$", "$-1", "$EOF:abc", "+OK"] {
            assert!(Frame::parse(other).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn data_is_the_same_however_the_stream_is_cut(
            data in proptest::collection::vec(prop_oneof![Just(b'm'), any::<u8>()], 0..300),
            cuts in proptest::collection::vec(1_usize..60, 1..30),
            marked in any::<bool>(),
        ) {
            let mark = format!("{}x", "m".repeat(MARK - 1));
            // The mark is random in a server, and not in the data.
            prop_assume!(memmem::find(&data, mark.as_bytes()).is_none());
            let line = if marked { format!("$EOF:{mark}") } else { format!("${}", data.len()) };
            let mut frame = Frame::parse(&line).unwrap();
            let mut stream = data.clone();
            if marked {
                stream.extend_from_slice(mark.as_bytes());
            }
            let first = memmem::find(&stream, mark.as_bytes());
            let expected = if marked { &stream[..first.unwrap()] } else { &data[..] };
            let expected = expected.to_vec();
            // What follows belongs to nobody.
            stream.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
            let (mut found, mut at, mut cuts) = (Vec::new(), 0, cuts.into_iter().cycle());
            while at < stream.len() {
                let end = (at + cuts.next().unwrap()).min(stream.len());
                found.extend(frame.take(&stream[at..end]));
                at = end;
            }
            prop_assert!(frame.is_over());
            prop_assert_eq!(found, expected);
        }
    }
}
