//! Where the data of this instance stands, from what its server and its primary say. Pure.
//!
//! Guarantees: a position names the history that the server itself names, or one that its data continued; data
//! that is not known to belong to a history claims the beginning of time. An instance counts as synced only when
//! it has reached an offset that was read from its primary after its link came up, and when something has come
//! over that link: a stream may begin a second after both sides call the link up, and until then everything that
//! the primary writes is nowhere else.

use crate::memory::Memory;
use valkeeper_failover::{Position, Term, protocol::Role};
use valkeeper_server::info::{Persistence, Replication};

/// What the primary said after the link to it came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The term in which this instance was told to follow it.
    pub(crate) term: Term,
    /// Name of its history.
    pub(crate) id: String,
    /// Its offset.
    pub(crate) offset: u64,
}

/// What is concluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Where the data stands; none while it is loaded or copied.
    pub(crate) position: Option<Position>,
    /// Whether this process reached it by itself.
    pub(crate) live: bool,
    /// Whether the link to the primary is up.
    pub(crate) streaming: bool,
    /// Whether it has caught up.
    pub(crate) synced: bool,
}

impl Standing {
    /// Data that this process has, and that it reigned with, is all of that term: also if nothing was written.
    pub(crate) fn claim(&mut self, reigned: Term) {
        if let Some(position) = self.position.as_mut().filter(|_| self.live) {
            position.term = position.term.max(reigned);
        }
    }
}

/// What is remembered of one life of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    live: bool,
    /// Links to a primary so far: what was asked about one says nothing about the next.
    links: u64,
    /// The data was read from an append-only file, which does not name its history.
    unnamed: bool,
    anchor: Option<Anchor>,
    /// The offset when the link was first seen up.
    begun: Option<u64>,
    synced: bool,
}

impl Progress {
    /// The server was started; `unnamed` if its data comes from an append-only file.
    pub(crate) fn started(unnamed: bool) -> Self {
        Self { unnamed, ..Self::default() }
    }

    /// It was told to follow another primary, or the same one in another term.
    pub(crate) fn detached(&mut self) {
        self.links += 1;
        self.anchor = None;
        self.begun = None;
        self.synced = false;
    }

    /// It accepts writes, in the history that the term began.
    pub(crate) fn promoted(&mut self, memory: &mut Memory, term: Term, id: &str, offset: u64) {
        self.detached();
        self.live = true;
        memory.enter(term, id);
        memory.offset = offset;
    }

    /// The link whose primary has to be asked for its offset, if there is one.
    pub(crate) fn link_without_anchor(&self, role: &Role, replication: &Replication) -> Option<u64> {
        let wanted = matches!(role, Role::Replica(_)) && replication.link_is_up && self.anchor.is_none();
        wanted.then_some(self.links)
    }

    /// The primary's answer, which was asked for over this link.
    pub(crate) fn anchored(&mut self, link: u64, anchor: Anchor) {
        if link == self.links {
            self.anchor = Some(anchor);
        }
    }

    /// Takes in what the server says.
    pub(crate) fn observe(
        &mut self,
        memory: &mut Memory,
        role: &Role,
        replication: &Replication,
        persistence: Persistence,
    ) -> Standing {
        let streaming = !replication.is_primary && replication.link_is_up;
        if !streaming {
            self.detached();
        }
        if persistence.loading || replication.copying {
            return Standing { streaming, live: self.live, ..Standing::default() };
        }
        if let Role::Primary(term) = role
            && replication.is_primary
        {
            // A server renames its history when it likes; in one term there is one primary.
            self.promoted(memory, *term, &replication.id, replication.offset);
        }
        if let Some(anchor) = self.anchor.as_ref().filter(|anchor| anchor.id == replication.id)
            && matches!(role, Role::Replica(_))
        {
            let begun = *self.begun.get_or_insert(replication.offset);
            self.live = true;
            self.synced |= replication.offset >= anchor.offset && replication.offset > begun;
            memory.enter(anchor.term, &anchor.id);
        }
        let position = self.position(memory, replication);
        Standing { position: Some(position), live: self.live, streaming, synced: self.synced }
    }

    fn position(&self, memory: &mut Memory, replication: &Replication) -> Position {
        match memory.term_of(&replication.id) {
            Some(term) => {
                let position = Position { term, offset: replication.offset };
                if memory.histories.first().is_some_and(|latest| latest.id == replication.id) {
                    memory.offset = replication.offset;
                }
                position
            }
            // It continues what was noted, or replaces it by something later that has no name yet.
            None if self.live || self.unnamed => memory.noted(),
            None => Position::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Persistence =
        Persistence { loading: false, append_only: false, writes_succeed: true, unsaved_changes: 0 };

    fn replica(id: &str, offset: u64, link_is_up: bool) -> Replication {
        Replication { id: id.to_owned(), offset, link_is_up, ..Replication::default() }
    }

    const fn position(term: u64, offset: u64) -> Position {
        Position { term: Term(term), offset }
    }

    fn remembered() -> Memory {
        let mut memory = Memory { offset: 500, ..Memory::default() };
        memory.enter(Term(6), "six");
        memory.enter(Term(7), "seven");
        memory
    }

    #[test]
    fn position_after_start_is_what_the_disk_can_prove() {
        let mut memory = remembered();
        let table = [
            // From a snapshot, which names its history; also an older one.
            (false, "seven", 480, Some(position(7, 480))),
            (false, "six", 300, Some(position(6, 300))),
            // No data, or data of an unknown history.
            (false, "new", 0, Some(position(0, 0))),
            (false, "foreign", 9000, Some(position(0, 0))),
            // From an append-only file: what was noted beside it.
            (true, "new", 0, Some(position(7, 500))),
        ];
        for (unnamed, id, offset, expected) in table {
            memory.offset = 500;
            let mut progress = Progress::started(unnamed);
            let standing = progress.observe(&mut memory, &Role::Held, &replica(id, offset, false), IDLE);
            assert_eq!(standing.position, expected, "{unnamed} {id}");
            assert!(!standing.live);
        }
    }

    #[test]
    fn replica_enters_the_term_when_its_primary_confirms_it() {
        let (mut memory, mut progress) = (remembered(), Progress::started(false));
        let role = Role::Replica("a".into());
        let before = replica("seven", 480, true);
        assert_eq!(progress.observe(&mut memory, &role, &before, IDLE).position, Some(position(7, 480)));
        let link = progress.link_without_anchor(&role, &before).unwrap();
        // Another primary, or one whose history the server has not taken over yet.
        progress.anchored(link, Anchor { term: Term(8), id: "eight".to_owned(), offset: 600 });
        let standing = progress.observe(&mut memory, &role, &before, IDLE);
        assert_eq!(
            (standing.position, standing.synced, standing.live),
            (Some(position(7, 480)), false, false)
        );
        let behind = progress.observe(&mut memory, &role, &replica("eight", 590, true), IDLE);
        assert_eq!((behind.position, behind.synced, behind.live), (Some(position(8, 590)), false, true));
        let even = progress.observe(&mut memory, &role, &replica("eight", 600, true), IDLE);
        assert_eq!((even.position, even.synced), (Some(position(8, 600)), true));
    }

    #[test]
    fn replica_is_synced_only_when_something_has_come_over_its_link() {
        let (mut memory, mut progress) = (remembered(), Progress::started(false));
        let role = Role::Replica("a".into());
        let mut synced = |offset| progress_synced(&mut progress, &mut memory, &role, offset);
        // Both have written nothing: equal, but the stream has not begun.
        assert!(!synced(0));
        assert!(!synced(0));
        assert!(synced(14));
        assert!(synced(14));
    }

    fn progress_synced(progress: &mut Progress, memory: &mut Memory, role: &Role, offset: u64) -> bool {
        if progress.anchor.is_none() {
            progress.anchored(progress.links, Anchor { term: Term(8), id: "eight".to_owned(), offset: 0 });
        }
        progress.observe(memory, role, &replica("eight", offset, true), IDLE).synced
    }

    #[test]
    fn replica_whose_link_breaks_has_to_prove_itself_again() {
        let (mut memory, mut progress) = (remembered(), Progress::started(false));
        let role = Role::Replica("a".into());
        let up = replica("seven", 500, true);
        progress.observe(&mut memory, &role, &up, IDLE);
        let first = progress.link_without_anchor(&role, &up).unwrap();
        let anchor = || Anchor { term: Term(7), id: "seven".to_owned(), offset: 500 };
        progress.anchored(first, anchor());
        progress.observe(&mut memory, &role, &replica("seven", 499, true), IDLE);
        assert!(progress.observe(&mut memory, &role, &replica("seven", 500, true), IDLE).synced);
        let down = progress.observe(&mut memory, &role, &replica("seven", 500, false), IDLE);
        assert_eq!((down.synced, down.streaming, down.live), (false, false, true));
        progress.anchored(first, anchor());
        progress.observe(&mut memory, &role, &replica("seven", 499, true), IDLE);
        assert!(!progress.observe(&mut memory, &role, &up, IDLE).synced, "that was another link");
        assert!(progress.link_without_anchor(&role, &up).is_some());
    }

    #[test]
    fn position_is_unknown_while_data_is_loaded_or_copied() {
        let mut progress = Progress::started(false);
        let loading = Persistence { loading: true, ..IDLE };
        let replication = replica("seven", 0, false);
        assert_eq!(progress.observe(&mut remembered(), &Role::Held, &replication, loading).position, None);
        let copying = Replication { copying: true, ..replication };
        assert_eq!(progress.observe(&mut remembered(), &Role::Held, &copying, IDLE).position, None);
    }

    #[test]
    fn primary_begins_a_history_and_keeps_it_when_it_is_held() {
        let (mut memory, mut progress) = (remembered(), Progress::started(false));
        progress.promoted(&mut memory, Term(8), "eight", 500);
        let primary = Replication { is_primary: true, ..replica("eight", 520, false) };
        let standing = progress.observe(&mut memory, &Role::Primary(Term(8)), &primary, IDLE);
        assert_eq!((standing.position, standing.live), (Some(position(8, 520)), true));
        let held = progress.observe(&mut memory, &Role::Held, &replica("eight", 530, false), IDLE);
        assert_eq!((held.position, held.live), (Some(position(8, 530)), true));
        assert_eq!(memory.noted(), Position { term: Term(8), offset: 530 });
    }
}
