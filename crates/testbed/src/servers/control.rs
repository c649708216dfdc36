//! The sandbox's own connection to a server, over a socket in the file system and as a user that clients
//! do not have. Guarantees that it works whatever the service's users, ports and networks are, and that
//! errors carry no passwords.

use anyhow::{Context as _, bail};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The user through which the sandbox controls a server.
pub(super) const USER: &str = "valkeeper-sandbox";
/// Longest wait for one answer; saving a snapshot is the slowest.
const PATIENCE: Duration = Duration::from_mins(1);

/// An open connection.
#[derive(Clone)]
pub(super) struct Control {
    connection: MultiplexedConnection,
}

impl Control {
    /// Connects to a server that is about to listen at `socket`, to one of its databases.
    pub(super) async fn connect(socket: &Path, password: &str, database: i64) -> anyhow::Result<Self> {
        let settings =
            redis::RedisConnectionInfo::default().set_username(USER).set_password(password).set_db(database);
        let info: ConnectionInfo = ConnectionAddr::Unix(socket.to_owned()).into_connection_info()?;
        Self::open(&Client::open(info.set_redis_settings(settings))?).await
    }

    /// Connects with a client that was set up already.
    pub(super) async fn open(client: &Client) -> anyhow::Result<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(5)))
            .set_response_timeout(Some(PATIENCE));
        Ok(Self { connection: client.get_multiplexed_async_connection_with_config(&config).await? })
    }

    /// Runs a command.
    pub(super) async fn run(&mut self, words: &[&str]) -> anyhow::Result<Value> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let name = words.first().copied().unwrap_or_default();
        command.query_async(&mut self.connection).await.with_context(|| format!("the server refused {name}"))
    }

    /// The connection, for commands with binary arguments.
    pub(super) fn connection(&mut self) -> &mut MultiplexedConnection {
        &mut self.connection
    }

    /// A section of the server's `INFO`.
    pub(super) async fn info(&mut self, section: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let text: String = redis::cmd("INFO").arg(section).query_async(&mut self.connection).await?;
        let pairs = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// Sets a directive.
    pub(super) async fn set(&mut self, directive: &str, value: &str) -> anyhow::Result<()> {
        self.run(&["CONFIG", "SET", directive, value]).await.map(drop)
    }

    /// Writes the snapshot file, after any snapshot that is being written.
    pub(super) async fn save(&mut self) -> anyhow::Result<()> {
        for _ in 0..200 {
            match self.run(&["SAVE"]).await {
                Ok(_) => return Ok(()),
                Err(error) if format!("{error:#}").contains("in progress") => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error),
            }
        }
        bail!("a snapshot is being written and does not end")
    }
}
