//! Converts bytes to choices, so that a mutation of the bytes is a mutation of what is built from them. When the
//! bytes are used up, every choice is the first one, which must be the plain one.

/// Choices, made by bytes.
pub(crate) struct Draw<'b>(&'b [u8]);

impl<'b> Draw<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `limit`, which is at most 65536.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let number = if limit > 256 {
            usize::from(self.byte()) << 8 | usize::from(self.byte())
        } else {
            usize::from(self.byte())
        };
        number % limit.max(1)
    }

    pub(crate) fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// True once in about `often` times.
    pub(crate) fn seldom(&mut self, often: u8) -> bool {
        usize::from(self.byte()) >= 256 - 256 / usize::from(often.max(1))
    }

    /// A whole number of any size.
    pub(crate) fn number(&mut self) -> i64 {
        let bytes = [0; 8].map(|_: u8| self.byte());
        i64::from_le_bytes(bytes)
    }

    /// A text of up to `most` characters, printable for the most part.
    pub(crate) fn text(&mut self, most: usize) -> String {
        const ODD: [char; 12] =
            ['\0', '\n', '\r', '\u{7f}', '"', '\\', 'ä', '\u{202e}', '🦀', '%', '\u{feff}', '\''];
        let length = self.below(most + 1);
        (0..length)
            .map(|_| match self.byte() {
                byte @ 32..=126 => char::from(byte),
                byte @ 0..=31 => char::from(byte % 26 + b'a'),
                byte => ODD[usize::from(byte) % ODD.len()],
            })
            .collect()
    }
}
