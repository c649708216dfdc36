//! Finds out what is so while a client asks.
//!
//! Guarantees: what is answered was so at a moment between the question and the answer. Nothing is answered from memory
//! but which managers answered within the last second. At most one question at a time goes to the primary, whatever
//! number of clients ask.

use super::topology::{Address, Peer, Primary, Replica, Topology};
use crate::{clock, instance::Instance, peer, server_config};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Mutex, task::JoinSet, time::Instant};
use valkeeper_failover::{Term, protocol::Role};
use valkeeper_server::{Error, Info, Server, Value};

/// Longest wait for the primary, and for another manager.
const PATIENCE: Duration = Duration::from_millis(300);
/// For how long a manager that has answered counts as one that answers.
const FRESH: Duration = Duration::from_secs(1);
/// What is asked.
const SECTIONS: [&str; 2] = ["server", "replication"];

/// What one question to the primary has shown.
struct Finding {
    began: Instant,
    ended: Instant,
    primary: Option<Primary>,
}

#[derive(Default)]
struct Asked {
    server: Option<(Address, Server)>,
    last: Option<Finding>,
}

/// Asks.
pub(crate) struct Truth {
    instance: Arc<Instance>,
    asked: Mutex<Asked>,
    peers: Mutex<BTreeMap<String, (Instant, Option<Peer>)>>,
}

impl Truth {
    pub(crate) fn new(instance: Arc<Instance>) -> Self {
        Self { instance, asked: Mutex::default(), peers: Mutex::default() }
    }

    /// Where the primary is now; none if that is not known.
    pub(crate) async fn address(&self) -> Option<Address> {
        if self.reigns().is_some() {
            return Some(self.own());
        }
        self.followed().await.map(|primary| primary.address)
    }

    /// Everything that is known now; nothing without the primary.
    pub(crate) async fn topology(&self, port: u16) -> Option<Topology> {
        let primary = match self.reigns() {
            Some(term) => self.own_primary(term).await,
            None => self.followed().await,
        }?;
        let servers = primary.replicas.iter().map(|replica| &replica.address).chain([&primary.address]);
        let own = self.own();
        let hosts = servers.filter(|server| **server != own).map(|server| server.host.clone()).collect();
        let peers = self.peers(hosts, port).await;
        Some(Topology::of(primary, &own, peers))
    }

    fn own(&self) -> Address {
        let server = &self.instance.settings.server;
        Address { host: server.host.clone(), port: server_config::announced(server) }
    }

    /// The term in which this instance accepts writes now.
    fn reigns(&self) -> Option<Term> {
        let manager = self.instance.manager();
        let Role::Primary(term) = manager.role() else { return None };
        let deadline = manager.deadline(&self.instance.timing(&manager));
        deadline.is_none_or(|deadline| clock::now() < deadline).then_some(term)
    }

    async fn own_primary(&self, term: Term) -> Option<Primary> {
        let info = self.instance.prober.ask_for(&SECTIONS).await.ok()?;
        let primary = primary(self.own(), term, &info)?;
        (self.reigns() == Some(term)).then_some(primary)
    }

    /// The server that this instance was told to follow, if it says itself that it accepts writes.
    async fn followed(&self) -> Option<Primary> {
        let arrived = Instant::now();
        let mut asked = self.asked.lock().await;
        // Others have waited for the same answer meanwhile. Not to know is never wrong.
        if let Some(last) = &asked.last
            && (last.began >= arrived || (last.primary.is_none() && last.ended >= arrived))
        {
            return last.primary.clone();
        }
        let began = Instant::now();
        let primary = match self.to_follow() {
            None => None,
            Some((address, term)) => {
                let asking = self.ask(&mut asked.server, &address, term);
                let answer = tokio::time::timeout(PATIENCE, asking).await;
                let answer = answer.unwrap_or_else(|_| Err(Error::TimedOut("INFO".to_owned())));
                answer.inspect_err(|error| tracing::debug!(%error, %address, "the primary is not known")).ok()
            }
        };
        let primary = primary.flatten();
        asked.last = Some(Finding { began, ended: Instant::now(), primary: primary.clone() });
        primary
    }

    fn to_follow(&self) -> Option<(Address, Term)> {
        let Role::Replica(primary) = self.instance.manager().role() else { return None };
        let following = self.instance.following();
        let (host, port) = following.addresses.get(&primary)?.clone();
        Some((Address { host, port }, following.term))
    }

    async fn ask(
        &self,
        server: &mut Option<(Address, Server)>,
        address: &Address,
        term: Term,
    ) -> Result<Option<Primary>, Error> {
        let mut open = match server.take() {
            Some((known, open)) if known == *address => open,
            _ => self.connect(address).await?,
        };
        let info = match open.info(&SECTIONS).await {
            // Clients may be disconnected, this one included.
            Err(Error::Unreachable(_)) => {
                open = self.connect(address).await?;
                open.info(&SECTIONS).await?
            }
            answer => answer?,
        };
        *server = Some((address.clone(), open));
        Ok(primary(address.clone(), term, &info))
    }

    async fn connect(&self, address: &Address) -> Result<Server, Error> {
        Ok(peer::connect(&self.instance, &address.host, address.port, PATIENCE).await?.into())
    }

    /// The managers at these hosts that answer.
    async fn peers(&self, hosts: Vec<String>, port: u16) -> Vec<Peer> {
        let mut known = self.peers.lock().await;
        known.retain(|host, (at, _)| at.elapsed() < FRESH && hosts.contains(host));
        let mut asking = JoinSet::new();
        for host in hosts.into_iter().filter(|host| !known.contains_key(host)) {
            let instance = Arc::clone(&self.instance);
            asking.spawn(async move {
                let answer = tokio::time::timeout(PATIENCE, identity(&instance, &host, port)).await;
                let id = answer.ok().and_then(Result::ok).flatten();
                (host, id)
            });
        }
        for (host, id) in asking.join_all().await {
            let peer = id.map(|id| Peer { address: Address { host: host.clone(), port }, id });
            known.insert(host, (Instant::now(), peer));
        }
        known.values().filter_map(|(_, peer)| peer.clone()).collect()
    }
}

/// What a server says that accepts writes; nothing of one that does not.
fn primary(address: Address, term: Term, info: &Info) -> Option<Primary> {
    let replication = info.replication();
    let replicas = replication.replicas.into_iter().filter(|replica| replica.is_online && replica.port != 0);
    replication.is_primary.then(|| Primary {
        address,
        run_id: info.run_id().to_owned(),
        term,
        replicas: replicas
            .map(|replica| Replica {
                address: Address { host: replica.host, port: replica.port },
                offset: replica.offset,
                lag: replica.lag,
            })
            .collect(),
    })
}

async fn identity(instance: &Instance, host: &str, port: u16) -> Result<Option<String>, Error> {
    let mut connection = peer::connect(instance, host, port, PATIENCE).await?;
    Ok(match connection.call(&["SENTINEL", "MYID"]).await? {
        Value::Bytes(id) => String::from_utf8(id).ok(),
        _ => None,
    })
}
