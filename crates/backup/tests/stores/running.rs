//! A server of this machine, and a backup of it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};
use valkeeper_backup::{BackupError, Manifest, Order, Origin, Store, take};
use valkeeper_server::{Connection, Endpoint, Server};
use valkeeper_testbed::tools;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs.
pub(crate) struct Running {
    child: Child,
    pub(crate) folder: PathBuf,
    /// Removed in the end.
    temporary: Option<tempfile::TempDir>,
}

/// The servers of this machine.
pub(crate) fn programs() -> Vec<&'static str> {
    let tools = [(tools::VALKEY_SERVER, "valkey-server"), (tools::REDIS_SERVER, "redis-server")];
    tools.into_iter().filter_map(|(tool, program)| tool.or_skip().map(|_| program)).collect()
}

impl Running {
    /// Starts one in a folder of its own.
    pub(crate) async fn start(program: &str, directives: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(folder.path(), program, directives).await;
        server.temporary = Some(folder);
        server
    }

    /// Starts one with the data of this folder.
    pub(crate) async fn start_in(folder: &Path, program: &str, directives: &[&str]) -> Self {
        let socket = folder.join("server.sock");
        let mut command = Command::new(program);
        command.args(["--port", "0", "--save", "", "--repl-diskless-sync-delay", "0", "--dir"]);
        command.arg(folder).arg("--unixsocket").arg(&socket).args(directives).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let server = Self { child, folder: folder.to_owned(), temporary: None };
        let begun = Instant::now();
        while server.try_connect().await.is_none() {
            assert!(begun.elapsed() < PATIENCE, "{program} does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server
    }

    async fn try_connect(&self) -> Option<Server> {
        let endpoint = Endpoint::Unix(self.folder.join("server.sock"));
        let mut server: Server = Connection::open(&endpoint, None, PATIENCE).await.ok()?.into();
        server.ping().await.ok().map(|()| server)
    }

    pub(crate) async fn connect(&self) -> Server {
        self.try_connect().await.unwrap()
    }

    /// A connection as it comes.
    pub(crate) async fn connection(&self) -> Connection {
        Connection::open(&Endpoint::Unix(self.folder.join("server.sock")), None, PATIENCE).await.unwrap()
    }

    /// Takes a backup of it.
    pub(crate) async fn back_up(&self, store: &Store, key: &str) -> Result<Manifest, BackupError> {
        take(store, self.connection().await, &order(key), chrono::Utc::now).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.temporary.take());
    }
}

pub(crate) fn order(key: &str) -> Order {
    let origin = Origin { cluster: "cache".to_owned(), ..Origin::default() };
    Order {
        key: key.to_owned(),
        attempt: "1".to_owned(),
        origin,
        used_memory: 0,
        bytes_per_second: None,
        progress: Arc::new(AtomicU64::new(0)),
    }
}

/// Writes values of every type into two databases.
pub(crate) async fn fill(server: &mut Server) {
    for database in ["0", "9"] {
        server.call(&["SELECT", database]).await.unwrap();
        let numbers: Vec<String> = (0..600).map(|number| number.to_string()).collect();
        let many = |command: &[&'static str]| -> Vec<String> {
            command.iter().map(|word| (*word).to_owned()).chain(numbers.clone()).collect()
        };
        let long = "x".repeat(5_000);
        let mut commands = vec![
            many(&["RPUSH", "long-list"]),
            many(&["SADD", "integers"]),
            many(&["HSET", "long-hash"]),
            many(&["ZADD", "long-scores"]),
        ];
        for line in [
            "SET plain value",
            "SET number 12345",
            "SET large 9223372036854775807",
            "SET expiring v PX 100000000",
            "RPUSH list a b c",
            "SADD set a b c",
            "HSET hash f v g w",
            "ZADD scores 1.5 a inf b",
            "PFADD log a b c",
            "XADD stream * f v",
            "XADD stream * f w",
            "XGROUP CREATE stream group 0",
            "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream >",
            "SETBIT bits 100000 1",
        ] {
            commands.push(line.split(' ').map(str::to_owned).collect());
        }
        commands.push(vec!["SET".to_owned(), "compressible".to_owned(), long]);
        commands.push(many(&["SADD", "texts", "text"]));
        for command in commands {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            server.call(&words).await.unwrap();
        }
    }
    server.call(&["SELECT", "0"]).await.unwrap();
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    server.call(&["FUNCTION", "LOAD", library]).await.unwrap();
}

/// Stands for all data, whatever the order of keys.
pub(crate) async fn digest(server: &mut Server) -> String {
    server.call(&["DEBUG", "DIGEST"]).await.unwrap().text().unwrap()
}
