//! What keeps an instance from taking over from the server that it follows. Pure.

use super::{error::ImportError, follower::FollowerState, look::Look};
use std::fmt;

/// More bytes than these are worth waiting for before the clients are stopped.
const NEAR: u64 = 1 << 20;

/// What it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The source does not answer.
    Source(String),
    /// The source follows another server.
    Primary,
    /// The source has no keys, as after a start without its data.
    Keys,
    /// The source uses more memory than there is.
    Memory { used: u64, limit: u64 },
    /// The first copy is under way.
    Copy,
    /// The link is down.
    Link,
    /// The link leads to another server than the name.
    AnotherServer,
    /// Changes are on their way.
    Changes,
    /// Clients write.
    Clients,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Source(why) => return write!(formatter, "the server: {why}"),
            Self::Memory { used, limit } => {
                return write!(
                    formatter,
                    "the server to use less memory: it uses {used} bytes, and maxmemory is {limit}"
                );
            }
            Self::Primary => "the server to be a primary again",
            Self::Keys => "the server to have data: it has no keys",
            Self::Copy => "all data to be copied",
            Self::Link => "the replication link; the log of the instance says why it is down",
            Self::AnotherServer => "the replication link: it leads to another server than the name",
            Self::Changes => "the latest changes",
            Self::Clients => "its clients to stop: it is written to",
        };
        formatter.write_str(text)
    }
}

impl Obstacle {
    /// What a look at the source shows.
    pub(super) fn of_source(look: &Result<Look, ImportError>, max_memory: u64) -> Option<Self> {
        let look = match look {
            Ok(look) => look,
            Err(error) => return Some(Self::Source(error.to_string())),
        };
        let obstacles = [
            (!look.is_primary, Self::Primary),
            (
                max_memory > 0 && look.used_memory > max_memory,
                Self::Memory { used: look.used_memory, limit: max_memory },
            ),
            (look.last_database.is_none(), Self::Keys),
        ];
        obstacles.into_iter().find_map(|(is_there, obstacle)| is_there.then_some(obstacle))
    }

    /// What a look at the source and one at the follower show.
    pub(super) fn of(look: &Result<Look, ImportError>, own: &FollowerState, max_memory: u64) -> Option<Self> {
        let obstacle = Self::of_source(look, max_memory);
        let (None, Ok(look)) = (&obstacle, look) else { return obstacle };
        let replication = &own.replication;
        let behind = look.offset.saturating_sub(replication.offset);
        let obstacles = [
            (replication.copying, Self::Copy),
            (!replication.link_is_up, Self::Link),
            (replication.id != look.changes.history, Self::AnotherServer),
            (behind > NEAR || own.is_loading, Self::Changes),
        ];
        obstacles.into_iter().find_map(|(is_there, obstacle)| is_there.then_some(obstacle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::look::Changes;
    use valkeeper_server::Replication;

    fn look() -> Look {
        let changes = Changes { history: "h".to_owned(), ..Changes::default() };
        Look {
            is_primary: true,
            offset: 100,
            used_memory: 10,
            last_database: Some(0),
            changes,
            ..Look::default()
        }
    }

    fn own() -> FollowerState {
        let replication =
            Replication { link_is_up: true, id: "h".to_owned(), offset: 90, ..Replication::default() };
        FollowerState { replication, ..FollowerState::default() }
    }

    #[test]
    fn each_obstacle_is_seen() {
        assert_eq!(Obstacle::of(&Ok(look()), &own(), 10), None);
        let of_source = |change: fn(&mut Look)| {
            let mut look = look();
            change(&mut look);
            Obstacle::of(&Ok(look), &own(), 10)
        };
        let of_follower = |change: fn(&mut FollowerState)| {
            let mut own = own();
            change(&mut own);
            Obstacle::of(&Ok(look()), &own, 0)
        };
        assert_eq!(of_source(|look| look.is_primary = false), Some(Obstacle::Primary));
        assert_eq!(of_source(|look| look.last_database = None), Some(Obstacle::Keys));
        assert_eq!(of_source(|look| look.used_memory = 11), Some(Obstacle::Memory { used: 11, limit: 10 }));
        assert_eq!(of_source(|look| look.offset += 2 * NEAR), Some(Obstacle::Changes));
        assert_eq!(of_follower(|own| own.replication.copying = true), Some(Obstacle::Copy));
        assert_eq!(of_follower(|own| own.replication.link_is_up = false), Some(Obstacle::Link));
        assert_eq!(of_follower(|own| own.replication.id.clear()), Some(Obstacle::AnotherServer));
        let silent = Err(ImportError::Unready("no answer".to_owned()));
        assert_eq!(Obstacle::of(&silent, &own(), 0), Some(Obstacle::Source("no answer".to_owned())));
    }
}
