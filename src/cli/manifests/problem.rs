//! What a reader of manifests finds: why a document cannot be read, and what `kubectl` makes of it that a reader may
//! not expect.

/// A document that is not a manifest, and why.
#[derive(Debug)]
pub(in crate::cli) struct Broken {
    /// Line, counted from 1.
    pub(in crate::cli) line: usize,
    /// Column, counted from 1.
    pub(in crate::cli) column: usize,
    /// Reason, as a phrase.
    pub(in crate::cli) reason: String,
}

/// Something that `kubectl` accepts and a reader may not expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Remark {
    /// Line, counted from 1.
    pub(in crate::cli) line: usize,
    /// Column, counted from 1.
    pub(in crate::cli) column: usize,
    /// What `kubectl` does, as a sentence without a period.
    pub(in crate::cli) text: String,
}
