//! The commands that the product sends, by name and with typed answers, over one [`Connection`].

use crate::{connection::Connection, error::Error, info::Info, resp::Value, role::RoleAnswer};
use std::{collections::BTreeMap, time::Duration};

/// Kinds of clients that can be disconnected together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    /// Those that send commands.
    Normal,
    /// Those that subscribe.
    PubSub,
}

/// A server behind an open connection.
pub struct Server {
    connection: Connection,
}

impl From<Connection> for Server {
    fn from(connection: Connection) -> Self {
        Self { connection }
    }
}

impl Server {
    /// The connection, for other commands.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Checks whether it answers at all. A server that loads its data does, with an error.
    pub async fn ping(&mut self) -> Result<(), Error> {
        self.connection.call(&["PING"]).await.map(drop)
    }

    /// `INFO` with these sections; all default ones if there are none.
    pub async fn info(&mut self, sections: &[&str]) -> Result<Info, Error> {
        let words: Vec<&str> = ["INFO"].iter().chain(sections).copied().collect();
        let answer = self.connection.call(&words).await?;
        let text = answer.text().ok_or_else(|| unexpected("INFO"))?;
        Ok(Info::parse(&text))
    }

    /// `ROLE`.
    pub async fn role(&mut self) -> Result<RoleAnswer, Error> {
        let answer = self.connection.call(&["ROLE"]).await?;
        RoleAnswer::parse(&answer).ok_or_else(|| unexpected("ROLE"))
    }

    /// Sets directives, all or none.
    pub async fn config_set(&mut self, directives: &[(&str, &str)]) -> Result<(), Error> {
        let pairs = directives.iter().flat_map(|(name, value)| [*name, *value]);
        let words: Vec<&str> = ["CONFIG", "SET"].into_iter().chain(pairs).collect();
        self.connection.call(&words).await.map(drop)
    }

    /// The directives whose names match the pattern.
    pub async fn config_get(&mut self, pattern: &str) -> Result<BTreeMap<String, String>, Error> {
        let answer = self.connection.call(&["CONFIG", "GET", pattern]).await?;
        Ok(answer.pairs().into_iter().collect())
    }

    /// Makes it a replica of this server.
    pub async fn replicaof(&mut self, host: &str, port: u16) -> Result<(), Error> {
        self.connection.call(&["REPLICAOF", host, &port.to_string()]).await.map(drop)
    }

    /// Makes it a primary.
    pub async fn replicaof_no_one(&mut self) -> Result<(), Error> {
        self.connection.call(&["REPLICAOF", "NO", "ONE"]).await.map(drop)
    }

    /// Disconnects all clients of a kind except this one; answers how many.
    pub async fn kill_clients(&mut self, kind: ClientType) -> Result<u64, Error> {
        let kind = match kind {
            ClientType::Normal => "normal",
            ClientType::PubSub => "pubsub",
        };
        let answer = self.connection.call(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"]).await?;
        Ok(answer.integer().and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    /// Waits until this many replicas have acknowledged what this connection wrote; answers how many have.
    pub async fn wait(&mut self, replicas: u32, patience: Duration) -> Result<u64, Error> {
        let (replicas, milliseconds) = (replicas.to_string(), patience.as_millis().to_string());
        let words = [&b"WAIT"[..], replicas.as_bytes(), milliseconds.as_bytes()];
        let answer = self.connection.call_within(&words, patience + Duration::from_secs(1)).await?;
        Ok(answer.integer().and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    /// Changes a user by these rules.
    pub async fn acl_set_user(&mut self, user: &str, rules: &[&str]) -> Result<(), Error> {
        let words: Vec<&str> = ["ACL", "SETUSER", user].iter().chain(rules).copied().collect();
        self.connection.call(&words).await.map(drop)
    }

    /// Removes a user, if there is one.
    pub async fn acl_del_user(&mut self, user: &str) -> Result<(), Error> {
        self.connection.call(&["ACL", "DELUSER", user]).await.map(drop)
    }

    /// Number of keys in the current database.
    pub async fn key_count(&mut self) -> Result<u64, Error> {
        let answer = self.connection.call(&["DBSIZE"]).await?;
        let count = answer.integer().and_then(|count| u64::try_from(count).ok());
        count.ok_or_else(|| unexpected("DBSIZE"))
    }

    /// Any other command.
    pub async fn call(&mut self, words: &[&str]) -> Result<Value, Error> {
        self.connection.call(words).await
    }
}

fn unexpected(command: &str) -> Error {
    Error::Malformed { command: command.to_owned(), reason: "another type of value".to_owned() }
}
