//! Asks the server what it is doing, on a connection of its own, and judges whether it answers at all.
//!
//! Guarantees: only questions go over this connection, so that it may be given up at any time.

use crate::{
    access::{MANAGER, MONITOR, REPLICATION},
    server_config,
    settings::Settings,
};
use std::{path::PathBuf, time::Duration};
use tokio::sync::Mutex;
use valkeeper_failover::manager::Moment;
use valkeeper_server::{Connection, Credentials, Endpoint, Error, Info, Server};

/// How often the server is asked.
pub(crate) const INTERVAL: Duration = Duration::from_millis(250);
/// Longest wait for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// Questions without an answer before a server counts as unresponsive, however long they took.
const FEWEST: u32 = 3;
/// What the protocol needs to know.
const SECTIONS: [&str; 5] = ["server", "replication", "persistence", "memory", "errorstats"];

/// Asks one server, through all its lives.
pub(crate) struct Prober {
    socket: PathBuf,
    password: String,
    server: Mutex<Option<Server>>,
}

impl Prober {
    pub(crate) fn new(settings: &Settings, password: &str) -> Self {
        Self {
            socket: server_config::socket(settings),
            password: password.to_owned(),
            server: Mutex::new(None),
        }
    }

    /// What the protocol needs to know.
    pub(crate) async fn ask(&self) -> Result<Info, Error> {
        self.ask_for(&SECTIONS).await
    }

    /// These sections.
    pub(crate) async fn ask_for(&self, sections: &[&str]) -> Result<Info, Error> {
        let asking = async {
            let mut server = self.server.lock().await;
            let mut open = match server.take() {
                Some(open) => open,
                None => self.connect_as(MONITOR).await?.into(),
            };
            let info = match open.info(sections).await {
                // Clients may be disconnected, this one included.
                Err(Error::Unreachable(_)) => {
                    open = self.connect_as(MONITOR).await?.into();
                    open.info(sections).await?
                }
                answer => answer?,
            };
            *server = Some(open);
            Ok(info)
        };
        let answer = tokio::time::timeout(PATIENCE, asking).await;
        answer.unwrap_or_else(|_| Err(Error::TimedOut("INFO".to_owned())))
    }

    /// A connection for changes that roles do not depend on.
    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        self.connect_as(MANAGER).await
    }

    /// A connection for reading the data as a replica does.
    pub(crate) async fn connect_as_replica(&self) -> Result<Connection, Error> {
        self.connect_as(REPLICATION).await
    }

    async fn connect_as(&self, user: &str) -> Result<Connection, Error> {
        let credentials = Credentials { user: user.to_owned(), password: self.password.clone() };
        Connection::open(&Endpoint::Unix(self.socket.clone()), Some(&credentials), PATIENCE).await
    }
}

/// Judges from answers, and answers that did not come, whether the server still works. Pure.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Responsiveness {
    failures: u32,
    since: Option<Moment>,
}

impl Responsiveness {
    /// Notes an answer to a question that was asked at `asked`; whether the server has been silent for `limit`.
    pub(crate) fn note(&mut self, answers: bool, asked: Moment, now: Moment, limit: Duration) -> bool {
        if answers {
            *self = Self::default();
            return false;
        }
        self.failures += 1;
        let since = *self.since.get_or_insert(asked);
        // The count keeps a manager that stood still itself from blaming the server.
        self.failures >= FEWEST && now.saturating_sub(since) >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    #[test]
    fn server_is_unresponsive_after_the_limit_and_several_questions() {
        let mut responsiveness = Responsiveness::default();
        let mut note =
            |answers, asked, now| responsiveness.note(answers, seconds(asked), seconds(now), seconds(5));
        assert!(!note(false, 0, 1));
        // This process stood still for a minute.
        assert!(!note(false, 1, 60));
        assert!(note(false, 60, 61));
        assert!(!note(true, 61, 61));
        for (asked, late) in [(70, false), (71, false), (72, false), (73, false), (74, true)] {
            assert_eq!(note(false, asked, asked + 1), late, "{asked}");
        }
    }
}
