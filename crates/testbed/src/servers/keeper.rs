//! Keeps the server of one service in line with the provider's wanted state. A transition is reported as completed
//! only when clients would notice it: a new server answers, a replica has its source's data, a stopped server is gone
//! and its last snapshot is written.

mod task;

use super::Servers;
use super::migration::Course;
use super::wanted::{Identity, Wanted};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use task::Task;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What has become of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Report {
    /// The transition that was completed last.
    pub(crate) completed: Option<DateTime<Utc>>,
    /// Ports for clients: with and without TLS.
    pub(crate) ports: Option<(u16, u16)>,
    /// Version of the program.
    pub(crate) version: Option<String>,
    /// Sizes of the snapshots that exist.
    pub(crate) snapshots: BTreeMap<String, u64>,
    pub(crate) migration: Option<Course>,
}

/// The order for a keeper.
#[derive(Clone)]
enum Order {
    Keep(Box<Wanted>),
    /// End, with all data saved.
    Leave,
    /// End, and remove everything.
    Delete,
}

/// A handle of the task that keeps one server.
pub(crate) struct Keeper {
    orders: watch::Sender<Order>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts to keep; `report` is called on every change.
    pub(crate) fn start(
        servers: Arc<Servers>,
        identity: Identity,
        wanted: Wanted,
        report: impl Fn(&Report) + Send + 'static,
    ) -> Self {
        let (orders, incoming) = watch::channel(Order::Keep(Box::new(wanted)));
        let task = Task::new(servers, identity);
        Self { orders, task: tokio::spawn(task.run(incoming, report)) }
    }

    /// Sets the wanted state.
    pub(crate) fn keep(&self, wanted: Wanted) {
        self.orders.send_if_modified(|current| {
            let changed = !matches!(current, Order::Keep(known) if **known == wanted);
            *current = Order::Keep(Box::new(wanted));
            changed
        });
    }

    /// Ends the server and removes its data.
    pub(crate) fn delete(self) -> JoinHandle<()> {
        self.orders.send_replace(Order::Delete);
        self.task
    }

    /// Ends the server with its data saved.
    pub(crate) async fn leave(self) {
        self.orders.send_replace(Order::Leave);
        // A task that panicked has no server any more.
        let _ = self.task.await;
    }
}
