//! Mutations of inputs without a fuzzer: the same for the same seed, everywhere.

/// A sequence of numbers without a pattern.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or_default()
    }
}

/// What parsers stumble over.
const TOKENS: &[&str] = &[
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "{\"a\":",
    "[[[[",
    "\0",
    "\u{feff}",
    "\r\n",
    ": ",
    "- ",
    "&a",
    "*a",
    "<<: ",
    "!!binary ",
    "|-\n ",
    "---\n",
    "%2f",
    "..",
    "?",
    "#",
    "&",
    "=",
    ",",
    "(",
    ")",
    " in (",
    "!",
    "metadata",
    "spec",
    "status",
    "resourceVersion",
    "fieldManager=",
    "dryRun=All",
    "watch=1",
    "{token}",
    "{json:password}",
    "{url:password}",
    "{generated}",
    "\u{202e}",
];

/// One to four changes to `input`, or a cross of it and `other`.
pub(crate) fn mutate(numbers: &mut Numbers, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + 1 + numbers.below(16)).min(bytes.len());
        match numbers.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 if at < bytes.len() => bytes[at] = u8::try_from(numbers.below(256)).unwrap_or_default(),
            2 if at < end => drop(bytes.drain(at..end)),
            3 if at < end => {
                let repeated = bytes[at..end].to_vec();
                bytes.splice(at..at, repeated);
            }
            4 => bytes.truncate(at),
            5 => {
                let from = numbers.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            6 => bytes.insert(at, u8::try_from(numbers.below(256)).unwrap_or_default()),
            _ => {
                let token = TOKENS[numbers.below(TOKENS.len())].bytes();
                bytes.splice(at..at, token);
            }
        }
    }
    bytes
}
