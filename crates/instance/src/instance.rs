//! The state of one instance, shared by everything that runs in its manager.
//!
//! ```text
//!   verbs, answers of the lease, confirmations, ends, ticks ──▶ input() ──▶ Manager (pure)
//!       ▲                                                        │ at once: deadline to the guard, SIGKILL
//!       └── executor ◀── effects, in order ──────────────────────┘
//! ```
//!
//! Guarantees: every input passes through the pure manager under one lock, which no I/O ever holds; the guard
//! knows the deadline before any effect that makes use of it; killing the server waits for nothing.

use crate::{
    access::InForceAccess,
    backups::Backups,
    certificate::Certificate,
    clock,
    consent::Replicas,
    in_force::InForce,
    lease::LeaseStore,
    memory::{Memory, MemoryFile},
    probe::Prober,
    process::ServerProcess,
    progress::Progress,
    restore::Restore,
    settings::{SentinelSettings, Settings},
    users::InForceUsers,
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use valkeeper_failover::{
    Identity, Name, Term,
    manager::{Command, Effect, Input, Manager, Moment, Refusal},
    protocol::Role,
};

/// What the task that talks to the server is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// A command of the protocol, to be confirmed by its number.
    Command(u64, Command, Term),
    /// Disconnect the clients.
    Kick,
}

/// Where the primaries are that this instance was told to follow.
#[derive(Debug, Default)]
pub(crate) struct Following {
    pub(crate) term: Term,
    pub(crate) addresses: BTreeMap<Name, (String, u16)>,
}

/// Clients that write to a server which refuses writes.
#[derive(Debug, Default)]
pub(crate) struct Misrouted {
    /// The server accepted writes, and its clients were not disconnected since it has not.
    pub(crate) reigned: bool,
    /// Refused writes when clients were last disconnected.
    pub(crate) known: u64,
    /// When that was.
    pub(crate) kicked: Moment,
}

/// One instance.
pub(crate) struct Instance {
    pub(crate) settings: Settings,
    pub(crate) settings_path: PathBuf,
    pub(crate) guard: Vec<OsString>,
    pub(crate) manager_password: String,
    pub(crate) silent_port: u16,
    pub(crate) prober: Prober,
    pub(crate) kills: AtomicU64,
    pub(crate) starts: AtomicU64,
    pub(crate) backups: Backups,
    pub(crate) restore: Restore,
    pub(crate) certificate: Certificate,
    pub(crate) access: InForceAccess,
    pub(crate) users: InForceUsers,
    pub(crate) memory_file: MemoryFile,
    pub(crate) lease: Mutex<Arc<dyn LeaseStore>>,
    pub(crate) in_force: Mutex<InForce>,
    /// Held while settings are replaced, or what they allow is begun.
    pub(crate) replacing: Mutex<()>,
    /// Where the protocol of Sentinel is answered, as the settings in force say.
    pub(crate) sentinel: watch::Sender<Option<SentinelSettings>>,
    manager: Mutex<Manager>,
    process: Mutex<Option<ServerProcess>>,
    memory: Mutex<Memory>,
    /// The highest term on the disk; the lock lets one store at a time.
    pub(crate) stored: (tokio::sync::Mutex<()>, watch::Sender<Term>),
    progress: Mutex<Progress>,
    following: Mutex<Following>,
    misrouted: Mutex<Misrouted>,
    replicas: Mutex<Replicas>,
    orders: Mutex<Option<mpsc::UnboundedSender<Order>>>,
    effects: mpsc::UnboundedSender<Effect>,
    changes: watch::Sender<u64>,
}

/// What an instance is made of.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) settings_path: PathBuf,
    pub(crate) guard: Vec<OsString>,
    pub(crate) manager_password: String,
    pub(crate) silent_port: u16,
    pub(crate) lease: Arc<dyn LeaseStore>,
    pub(crate) memory_file: MemoryFile,
    pub(crate) memory: Memory,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Instance {
    pub(crate) fn new(parts: Parts) -> (Arc<Self>, mpsc::UnboundedReceiver<Effect>) {
        let Parts {
            settings,
            settings_path,
            guard,
            manager_password,
            silent_port,
            lease,
            memory_file,
            memory,
        } = parts;
        let identity = Identity {
            name: settings.name.as_str().into(),
            pod: settings.pod.as_str().into(),
            boot: memory.boot,
        };
        let (effects, receiver) = mpsc::unbounded_channel();
        let prober = Prober::new(&settings, &manager_password);
        let restore = Restore::new(&settings, &memory);
        let instance = Self {
            in_force: Mutex::new(InForce::of(&settings)),
            replacing: Mutex::default(),
            sentinel: watch::Sender::new(settings.sentinel.clone()),
            manager: Mutex::new(Manager::boot(identity, memory.seen)),
            settings,
            settings_path,
            guard,
            manager_password,
            silent_port,
            lease: Mutex::new(lease),
            prober,
            kills: AtomicU64::new(0),
            starts: AtomicU64::new(0),
            backups: Backups::default(),
            certificate: Certificate::default(),
            access: InForceAccess::default(),
            users: InForceUsers::default(),
            restore,
            memory_file,
            process: Mutex::new(None),
            stored: (tokio::sync::Mutex::default(), watch::Sender::new(memory.seen)),
            memory: Mutex::new(memory),
            progress: Mutex::new(Progress::default()),
            following: Mutex::new(Following::default()),
            misrouted: Mutex::new(Misrouted::default()),
            replicas: Mutex::default(),
            orders: Mutex::new(None),
            effects,
            changes: watch::Sender::new(0),
        };
        (Arc::new(instance), receiver)
    }

    /// Takes in what happened.
    pub(crate) fn input(&self, input: Input) -> Result<(), Refusal> {
        let mut manager = lock(&self.manager);
        let before = manager.role();
        let timing = self.timing(&manager);
        let reaction = manager.on(&timing, clock::now(), input);
        let deadline = manager.deadline(&self.timing(&manager));
        {
            let mut process = lock(&self.process);
            if let Some(process) = process.as_mut() {
                process.set_deadline(deadline);
            }
            for effect in reaction.effects {
                if effect == Effect::KillServer {
                    self.kills.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    tracing::warn!("killing the server");
                    if let Some(process) = process.as_ref() {
                        process.kill();
                    }
                } else {
                    // The executor ends with the process only.
                    let _ = self.effects.send(effect);
                }
            }
        }
        let role = manager.role();
        if role != before {
            tracing::info!(?role, seen = manager.seen().0, "role changed");
        }
        drop(manager);
        self.changes.send_modify(|count| *count += 1);
        reaction.refused.map_or(Ok(()), Err)
    }

    /// What the manager says now.
    pub(crate) fn manager(&self) -> Manager {
        lock(&self.manager).clone()
    }

    /// Wakes up after every input.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits, at most this long, until the instance is not between two roles.
    pub(crate) async fn settled(&self, patience: Duration) {
        let mut changes = self.changes();
        let settled = async {
            while self.manager().role() == Role::Changing {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(patience, settled).await;
    }

    pub(crate) fn set_process(&self, process: Option<ServerProcess>) {
        *lock(&self.process) = process;
    }

    /// Asks the server to end.
    pub(crate) fn terminate_server(&self) {
        if let Some(process) = lock(&self.process).as_ref() {
            process.terminate();
        }
    }

    /// Ends the server without asking it.
    pub(crate) fn kill_server(&self) {
        if let Some(process) = lock(&self.process).as_ref() {
            process.kill();
        }
    }

    pub(crate) fn has_server(&self) -> bool {
        lock(&self.process).is_some()
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    pub(crate) fn following(&self) -> MutexGuard<'_, Following> {
        lock(&self.following)
    }

    pub(crate) fn misrouted(&self) -> MutexGuard<'_, Misrouted> {
        lock(&self.misrouted)
    }

    pub(crate) fn replicas(&self) -> MutexGuard<'_, Replicas> {
        lock(&self.replicas)
    }

    /// Orders go to this task from now on.
    pub(crate) fn set_orders(&self, orders: Option<mpsc::UnboundedSender<Order>>) {
        *lock(&self.orders) = orders;
    }

    /// Gives an order to the server that runs; without one, it is void.
    pub(crate) fn order(&self, order: Order) {
        if let Some(orders) = lock(&self.orders).as_ref() {
            let _ = orders.send(order);
        }
    }

    /// The authority of other managers; none where verbs come without TLS.
    pub(crate) fn authority_file(&self) -> Option<&Path> {
        self.settings.control.tls.as_ref().map(|files| files.authority.as_path())
    }
}
