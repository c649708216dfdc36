//! Clients that write, and remember what was acknowledged.

use crate::{operator::Route, world::Node};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use valkeeper_failover::Name;
use valkeeper_server::{Connection, Endpoint, Server};

/// One acknowledged write.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) key: String,
    /// Who acknowledged it.
    pub(crate) by: Name,
    /// When it was sent.
    pub(crate) sent: Instant,
    /// When the answer came.
    pub(crate) answered: Instant,
}

static WRITERS: AtomicU64 = AtomicU64::new(0);

/// A client that writes one key after another, until it is stopped.
pub(crate) struct Writer {
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    task: JoinHandle<()>,
}

impl Writer {
    /// To wherever clients are routed.
    pub(crate) fn routed(nodes: &[Node], route: &Route) -> Self {
        let route = Arc::clone(route);
        Self::start(nodes, move || route.lock().unwrap().clone())
    }

    /// To this instance, whatever it is.
    pub(crate) fn stubborn(node: &Node) -> Self {
        let name = node.name.clone();
        Self::start(std::slice::from_ref(node), move || Some(name.clone()))
    }

    fn start(nodes: &[Node], route: impl Fn() -> Option<Name> + Send + 'static) -> Self {
        let hosts: BTreeMap<Name, String> =
            nodes.iter().map(|node| (node.name.clone(), node.host.clone())).collect();
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&acknowledged);
        let writer = WRITERS.fetch_add(1, Ordering::Relaxed);
        let task = tokio::spawn(async move {
            let mut connection: Option<(Name, Server)> = None;
            for number in 0_u64.. {
                let key = format!("key:{writer}:{number}");
                if connection.is_none() {
                    connection = connect(&hosts, route()).await;
                }
                let Some((by, server)) = &mut connection else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                };
                let sent = Instant::now();
                if server.call(&["SET", &key, "1"]).await.is_ok() {
                    let answered = Instant::now();
                    noted.lock().unwrap().push(Acknowledged { key, by: by.clone(), sent, answered });
                    tokio::time::sleep(Duration::from_millis(1)).await;
                } else {
                    // Like a client library that stays where it is until it is disconnected.
                    if !server.connection().is_usable() {
                        connection = None;
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        });
        Self { acknowledged, task }
    }

    /// What was acknowledged so far.
    pub(crate) fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Ends it; what was acknowledged.
    pub(crate) fn stop(self) -> Vec<Acknowledged> {
        self.task.abort();
        self.acknowledged()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(hosts: &BTreeMap<Name, String>, to: Option<Name>) -> Option<(Name, Server)> {
    let name = to?;
    let endpoint = Endpoint::Tcp(hosts.get(&name)?.clone(), 6379);
    let connection = Connection::open(&endpoint, None, Duration::from_secs(2)).await.ok()?;
    Some((name, connection.into()))
}

/// The acknowledged keys that this server does not have.
pub(crate) async fn missing(acknowledged: &[Acknowledged], node: &Node) -> Vec<String> {
    let keys = node.server().await.unwrap().call(&["KEYS", "*"]).await.unwrap();
    let present: std::collections::BTreeSet<String> =
        keys.elements().iter().filter_map(valkeeper_server::Value::text).collect();
    acknowledged.iter().filter(|write| !present.contains(&write.key)).map(|write| write.key.clone()).collect()
}

/// The longest time between two acknowledgments.
pub(crate) fn longest_gap(acknowledged: &[Acknowledged]) -> Duration {
    let gaps = acknowledged.windows(2).map(|pair| pair[1].answered.duration_since(pair[0].answered));
    gaps.max().unwrap_or_default()
}
