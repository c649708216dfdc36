//! What an instance remembers beside its data: its starts, the highest term it knows, and the histories that its
//! data went through.
//!
//! Guarantees: a stored memory is complete, or the earlier one is still there; an unreadable one is replaced by
//! an empty one, which claims less than the truth and never more.

use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use valkeeper_failover::{Position, Term};

/// Histories that are remembered; a server knows two.
const HISTORIES: usize = 16;

/// The name that the servers give to the history of a term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    /// The term whose primary began it.
    pub(crate) term: Term,
    /// The replication ID.
    pub(crate) id: String,
}

/// All that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Memory {
    /// How often the manager was started on this data.
    pub(crate) boot: u64,
    /// The highest term that a verb has shown.
    pub(crate) seen: Term,
    /// The data comes from a backup, and is in its place.
    pub(crate) restored: bool,
    /// The histories of the data, the latest first.
    pub(crate) histories: Vec<History>,
    /// The offset in the latest history, when it was last noted.
    pub(crate) offset: u64,
}

impl Memory {
    /// Notes that the data now belongs to this history.
    pub(crate) fn enter(&mut self, term: Term, id: &str) {
        if self.histories.first().is_some_and(|history| history.term == term && history.id == id) {
            return;
        }
        self.histories.retain(|history| history.id != id);
        self.histories.insert(0, History { term, id: id.to_owned() });
        self.histories.truncate(HISTORIES);
    }

    /// The data stands where a dump says, and not where it was last noted.
    pub(crate) fn rewind(&mut self, origin: Option<(String, u64)>) {
        let (id, offset) = origin.unwrap_or_default();
        let known = self.histories.iter().position(|history| history.id == id);
        self.histories.drain(..known.unwrap_or(self.histories.len()));
        self.offset = if known.is_some() { offset } else { 0 };
    }

    /// The term of a history, if it is one of those remembered.
    pub(crate) fn term_of(&self, id: &str) -> Option<Term> {
        self.histories.iter().find(|history| history.id == id).map(|history| history.term)
    }

    /// Where the data stood when it was last noted.
    pub(crate) fn noted(&self) -> Position {
        let term = self.histories.first().map(|history| history.term).unwrap_or_default();
        Position { term, offset: self.offset }
    }
}

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct MemoryFile {
    path: PathBuf,
}

impl MemoryFile {
    /// The file in this folder.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("valkeeper-instance.json") }
    }

    /// What is remembered; nothing if there is no file, or none that can be read.
    pub(crate) fn load(&self) -> Memory {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::error!(path = %self.path.display(), %error, "ignored unreadable memory of instance");
                Memory::default()
            }),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::error!(path = %self.path.display(), %error, "cannot read memory of instance");
                }
                Memory::default()
            }
        }
    }

    /// Replaces the file, and returns when the disk has it.
    pub(crate) fn store(&self, memory: &Memory) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(memory)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_back_and_a_damaged_one_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let file = MemoryFile::in_folder(folder.path());
        assert_eq!(file.load(), Memory::default());
        let mut memory = Memory { boot: 3, seen: Term(9), offset: 77, ..Memory::default() };
        memory.enter(Term(8), "abc");
        file.store(&memory).unwrap();
        assert_eq!(file.load(), memory);
        fs::write(&file.path, "{\"boot\": 3, \"se").unwrap();
        assert_eq!(file.load(), Memory::default());
    }

    #[test]
    fn histories_are_found_by_their_id_and_the_oldest_are_forgotten() {
        let mut memory = Memory::default();
        for term in 1..=20 {
            memory.enter(Term(term), &format!("id-{term}"));
        }
        memory.offset = 5;
        assert_eq!(memory.noted(), Position { term: Term(20), offset: 5 });
        assert_eq!(memory.term_of("id-5"), Some(Term(5)));
        assert_eq!(memory.term_of("id-4"), None);
        memory.enter(Term(21), "id-5");
        assert_eq!(memory.term_of("id-5"), Some(Term(21)));
        assert_eq!(memory.histories.len(), 16);
    }

    #[test]
    fn memory_of_later_histories_goes_with_an_older_dump() {
        let memory = || {
            let mut memory = Memory { offset: 500, ..Memory::default() };
            memory.enter(Term(6), "six");
            memory.enter(Term(7), "seven");
            memory
        };
        for (origin, expected) in [
            (Some(("seven", 480)), Position { term: Term(7), offset: 480 }),
            (Some(("six", 90)), Position { term: Term(6), offset: 90 }),
            (Some(("unknown", 900)), Position::default()),
            (None, Position::default()),
        ] {
            let mut memory = memory();
            memory.rewind(origin.map(|(id, offset)| (id.to_owned(), offset)));
            assert_eq!(memory.noted(), expected, "{origin:?}");
        }
    }
}
