//! Clients that write unique values to the leader, and the reader of what is left.
//!
//! They find the leader at one address, as behind a Service, or ask a Sentinel for it each time that they connect, with
//! the client of a well-known library. The address that a Sentinel names is that of the server itself: nothing but
//! the server then keeps them from writing to a leader of before.
//!
//! Each write is a transaction with `INFO`, so that run id and replication id are those of the write. Like most
//! client libraries, a client stays with a server that refuses writes until it is disconnected. Nothing is
//! sent twice.

use super::record::{Content, Outcome, Reign, Structure};
use super::recorder::Recorder;
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How clients find the leader.
#[derive(Clone)]
pub enum Leader {
    /// Where to connect now; none while there is no leader.
    At(Arc<dyn Fn() -> Option<ConnectionInfo> + Send + Sync>),
    /// What to ask before each connection.
    Sentinel(Sentinel),
}

impl Leader {
    /// Always at one place.
    pub fn fixed(info: ConnectionInfo) -> Self {
        Self::At(Arc::new(move || Some(info.clone())))
    }
}

impl fmt::Debug for Leader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::At(_) => "Leader::At",
            Self::Sentinel(_) => "Leader::Sentinel",
        })
    }
}

/// A Sentinel, and whom to ask it for. It takes the password of the servers.
#[derive(Clone)]
pub struct Sentinel {
    /// Host of the Sentinel, or of many behind one address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The name that the Sentinel has for the primary.
    pub primary_name: String,
    /// Password of Sentinel and servers.
    pub password: String,
}

impl Sentinel {
    fn client(&self) -> Result<SentinelClient, RedisError> {
        let address = ConnectionAddr::Tcp(self.host.clone(), self.port);
        SentinelClientBuilder::new([address], &self.primary_name, SentinelServerType::Master)?
            .set_client_to_sentinel_password(&self.password)
            .set_client_to_redis_password(&self.password)
            .build()
    }
}

/// A leader at an address, without password.
pub fn address(address: SocketAddr) -> Option<ConnectionInfo> {
    redis::IntoConnectionInfo::into_connection_info((address.ip().to_string(), address.port())).ok()
}

/// What clients do.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many clients there are.
    pub clients: u32,
    /// How many of them send `WAIT` after each write, and for how many replicas.
    pub waiting: (u32, u32),
    /// How many registers, sets and lists they share, of each.
    pub keys: u32,
    /// What the keys begin with.
    pub prefix: String,
    /// How long a client waits for an answer before it connects again.
    pub patience: Duration,
    /// Pause between two writes of a client.
    pub pause: Duration,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            clients: 6,
            waiting: (2, 1),
            keys: 2,
            prefix: "history:".to_owned(),
            patience: Duration::from_secs(2),
            pause: Duration::from_millis(2),
        }
    }
}

impl Load {
    /// All keys, with what they hold.
    pub fn keys(&self) -> Vec<(String, Structure)> {
        let all = [("register", Structure::Register), ("set", Structure::Set), ("list", Structure::List)];
        let of = |(name, structure)| {
            (0..self.keys).map(move |number| (format!("{}{name}:{number}", self.prefix), structure))
        };
        all.into_iter().flat_map(of).collect()
    }
}

/// Running clients. Dropping them ends them immediately.
#[derive(Debug)]
pub struct Clients {
    tasks: JoinSet<()>,
    stop: Arc<tokio::sync::watch::Sender<bool>>,
}

impl Clients {
    /// Starts clients that write until they are stopped.
    pub fn start(recorder: &Recorder, load: &Load, leader: &Leader) -> Self {
        let stop = Arc::new(tokio::sync::watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..load.clients {
            let client = Client {
                number: recorder.number(),
                waits_for: (number < load.waiting.0).then_some(load.waiting.1),
                recorder: recorder.clone(),
                load: load.clone(),
                keys: load.keys(),
                leader: leader.clone(),
                stop: stop.subscribe(),
                connection: None,
            };
            tasks.spawn(client.run());
        }
        Self { tasks, stop }
    }

    /// Lets each client finish its write, and waits for it.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

struct Client {
    number: u64,
    waits_for: Option<u32>,
    recorder: Recorder,
    load: Load,
    keys: Vec<(String, Structure)>,
    leader: Leader,
    stop: tokio::sync::watch::Receiver<bool>,
    connection: Option<MultiplexedConnection>,
}

impl Client {
    async fn run(mut self) {
        while !*self.stop.borrow() {
            if self.connection.is_none() {
                self.connection = connect(&self.leader, self.load.patience).await.ok();
            }
            if self.connection.is_some() {
                self.write().await;
            }
            tokio::time::sleep(self.load.pause).await;
        }
    }

    /// One write, from its invocation to its outcome, as far as that is known.
    async fn write(&mut self) {
        let Some(connection) = self.connection.as_mut() else { return };
        let value = self.recorder.number();
        let place = usize::try_from(value).unwrap_or_default() % self.keys.len().max(1);
        let Some((key, structure)) = self.keys.get(place) else { return };
        let command = match structure {
            Structure::Register => "SET",
            Structure::Set => "SADD",
            Structure::List => "RPUSH",
        };
        let mut call = redis::pipe();
        call.atomic().cmd(command).arg(key).arg(value).ignore();
        call.cmd("INFO").arg("server").arg("replication");
        let write = self.recorder.invoke(self.number, key, *structure, value);
        let answer: Result<(String,), RedisError> = call.query_async(connection).await;
        let at = self.recorder.now();
        match answer {
            Ok((info,)) => {
                let reign = reign(&info);
                self.recorder.answer(write, Outcome::Acknowledged { at, reign, replicas: None });
            }
            Err(error) => {
                // Only a transaction that was not executed certainly had no effect.
                if error.kind() == ErrorKind::Server(ServerErrorKind::ExecAbort) {
                    self.recorder.answer(write, Outcome::Refused);
                } else {
                    self.connection = None;
                }
                return;
            }
        }
        if let Some(replicas) = self.waits_for {
            let patience = u64::try_from(self.load.patience.as_millis() / 2).unwrap_or(u64::MAX);
            let answer: Result<u64, RedisError> =
                redis::cmd("WAIT").arg(replicas).arg(patience).query_async(connection).await;
            match answer {
                Ok(count) => self.recorder.confirm(write, count),
                Err(_) => self.connection = None,
            }
        }
    }
}

async fn connect(leader: &Leader, patience: Duration) -> Result<MultiplexedConnection, RedisError> {
    let failed = |what| RedisError::from((ErrorKind::Client, what));
    let client = match leader {
        Leader::At(address) => redis::Client::open(address().ok_or_else(|| failed("there is no leader"))?)?,
        Leader::Sentinel(sentinel) => {
            let mut sentinel = sentinel.client()?;
            let asked = tokio::time::timeout(patience, sentinel.async_get_client());
            asked.await.map_err(|_| failed("the Sentinel does not answer"))??
        }
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn reign(info: &str) -> Reign {
    let field = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_default().trim().to_owned()
    };
    Reign { server: field("run_id"), replication: field("master_replid") }
}

/// Reads what the keys hold, from the leader.
pub async fn read_back(leader: &Leader, load: &Load) -> Result<BTreeMap<String, Content>, RedisError> {
    const PATIENCE: Duration = Duration::from_secs(30);
    let mut connection = connect(leader, PATIENCE).await?;
    let mut contents = BTreeMap::new();
    for (key, structure) in load.keys() {
        let content = match structure {
            Structure::Register => {
                Content::Register(redis::cmd("GET").arg(&key).query_async(&mut connection).await?)
            }
            Structure::Set => {
                Content::Set(redis::cmd("SMEMBERS").arg(&key).query_async(&mut connection).await?)
            }
            Structure::List => {
                let mut all = redis::cmd("LRANGE");
                all.arg(&key).arg(0).arg(-1);
                Content::List(all.query_async(&mut connection).await?)
            }
        };
        contents.insert(key, content);
    }
    Ok(contents)
}
