//! The task that gives orders to one life of the server, over one connection and in their order.
//!
//! Architecture invariant: a command whose answer is outstanding is never abandoned, and its connection never
//! closed from this side: a promotion that was forgotten in a buffer could take effect after a later hold. A
//! server that does not answer is the watchdog's, which kills it.

use crate::{
    access::MANAGER,
    clock,
    instance::{Instance, Order},
    server_config,
    settings::MinReplicas,
    users,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use valkeeper_failover::{
    Term,
    manager::{Command, Input},
};
use valkeeper_server::{ClientType, Connection, Credentials, Endpoint, Error, Server};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// Longer than any server lives without an answer.
const UNTIL_IT_ENDS: Duration = Duration::from_hours(24);
/// Refuses all writes.
const IMPOSSIBLE: &str = "2147483647";

struct Worker {
    instance: Arc<Instance>,
    server: Server,
    /// The term in which it accepts writes, or may.
    promoted: Option<Term>,
}

/// A primary with fewer replicas than these refuses writes.
pub(crate) async fn set_min_replicas(server: &mut Server, needed: MinReplicas) -> Result<(), Error> {
    let (count, lag) = (needed.count.to_string(), needed.max_lag.max(1).to_string());
    server.config_set(&[("min-replicas-to-write", &count), ("min-replicas-max-lag", &lag)]).await
}

/// Runs until it is aborted, when the server has ended.
pub(crate) async fn run(instance: Arc<Instance>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let server = connect(&instance).await;
    users::apply_at_start(&instance).await;
    let mut worker = Worker { instance, server, promoted: None };
    let _ = worker.instance.input(Input::Started);
    let mut queue = VecDeque::new();
    loop {
        let Some(order) = next(&mut queue, &mut orders).await else { return };
        let mut failures = 0_u32;
        while let Err(error) = worker.carry_out(&order).await {
            failures = failures.saturating_add(1);
            if failures == 1 {
                tracing::warn!(%error, ?order, "the server did not carry out an order");
            } else {
                tracing::debug!(%error, ?order, failures, "the server did not carry out an order");
            }
            if !worker.server.connection().is_usable() {
                // Closed by the server, which will not execute what it had not read.
                worker.server = connect(&worker.instance).await;
            }
            while let Ok(newer) = orders.try_recv() {
                queue.push_back(newer);
            }
            if queue.iter().any(|newer| matches!(newer, Order::Command(..))) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn next(queue: &mut VecDeque<Order>, orders: &mut mpsc::UnboundedReceiver<Order>) -> Option<Order> {
    match queue.pop_front() {
        Some(order) => Some(order),
        None => orders.recv().await,
    }
}

async fn connect(instance: &Instance) -> Server {
    let endpoint = Endpoint::Unix(server_config::socket(&instance.settings));
    let credentials = Credentials { user: MANAGER.to_owned(), password: instance.manager_password.clone() };
    loop {
        match Connection::open(&endpoint, Some(&credentials), UNTIL_IT_ENDS).await {
            Ok(connection) => return connection.into(),
            Err(error) => tracing::debug!(%error, "the server is not ready"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Worker {
    async fn carry_out(&mut self, order: &Order) -> Result<(), Error> {
        match order {
            Order::Kick => self.kick().await,
            Order::Command(number, command, term) => {
                match command {
                    Command::Hold => self.hold().await?,
                    Command::Promote => self.promote(*term).await?,
                    Command::Follow(primary) => {
                        let address = self.instance.following().addresses.get(primary).cloned();
                        if let Some((host, port)) = address {
                            self.choose_tls(port).await?;
                            self.server.replicaof(&host, port).await?;
                        }
                    }
                }
                let _ = self.instance.input(Input::Confirmed(*number));
                Ok(())
            }
        }
    }

    /// The fence: refuse writes, detach, and disconnect clients that wait for something.
    async fn hold(&mut self) -> Result<(), Error> {
        if self.promoted.is_some() {
            self.server.config_set(&[("min-replicas-to-write", IMPOSSIBLE)]).await?;
        }
        self.server.replicaof("127.0.0.1", self.instance.silent_port).await?;
        if let Some(term) = self.promoted {
            self.server.kill_clients(ClientType::Normal).await?;
            self.server.kill_clients(ClientType::PubSub).await?;
            // The server renames its history when its first replica attaches, which nobody may have seen yet.
            self.note_history(term).await?;
            self.promoted = None;
        }
        Ok(())
    }

    /// Notes how far the history of the term goes.
    async fn note_history(&mut self, term: Term) -> Result<(), Error> {
        let replication = self.server.info(&["replication"]).await?.replication();
        let mut memory = self.instance.memory();
        self.instance.progress().promoted(&mut memory, term, &replication.id, replication.offset);
        Ok(())
    }

    async fn promote(&mut self, term: Term) -> Result<(), Error> {
        set_min_replicas(&mut self.server, self.instance.min_replicas()).await?;
        self.promoted = Some(term);
        self.server.replicaof_no_one().await?;
        self.instance.misrouted().reigned = true;
        self.note_history(term).await
    }

    /// A primary without TLS is followed without, for as long as TLS is added to the cluster.
    async fn choose_tls(&mut self, port: u16) -> Result<(), Error> {
        let server = &self.instance.settings.server;
        if server.tls.as_ref().is_none_or(|tls| tls.port.is_none()) {
            return Ok(());
        }
        let secured = if port == server.port { "no" } else { "yes" };
        self.server.config_set(&[("tls-replication", secured)]).await
    }

    async fn kick(&mut self) -> Result<(), Error> {
        let refused = self.server.info(&["errorstats"]).await?.errors("READONLY");
        self.server.kill_clients(ClientType::Normal).await?;
        self.server.kill_clients(ClientType::PubSub).await?;
        let mut misrouted = self.instance.misrouted();
        misrouted.reigned = false;
        misrouted.known = refused;
        misrouted.kicked = clock::now();
        Ok(())
    }
}
