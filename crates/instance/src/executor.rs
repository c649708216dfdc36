//! Carries out what the pure manager wants, in its order: terms are on the disk before anything that follows
//! from them; requests to the lease run beside each other; the server is started again with growing delays.

use crate::{
    certificate, consent,
    instance::{Instance, Misrouted, Order},
    process::ServerProcess,
    progress::Progress,
    server_config::{self, Secrets},
    settings::{LeaseSettings, Persistence, Settings},
    worker,
};
use std::{
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use valkeeper_backup::{BackupError, place};
use valkeeper_failover::{
    Term,
    manager::{Effect, Input, LeaseAnswer},
};

/// The longest delay before the server is started again.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// A server that ran for so long is started again at once.
const STABLE: Duration = Duration::from_secs(10);

/// Runs until the process ends.
pub(crate) async fn run(instance: Arc<Instance>, mut effects: mpsc::UnboundedReceiver<Effect>) {
    let mut restarts = Restarts::default();
    restarts.start(&instance);
    while let Some(effect) = effects.recv().await {
        match effect {
            Effect::StoreTerm(term) => store_term(&instance, term).await,
            Effect::WriteLease { request, version, term, holder, peers } => {
                let (instance, lease) = (Arc::clone(&instance), instance.lease());
                tokio::spawn(async move {
                    let writing = lease.write(version, term, holder, peers);
                    let answer = tokio::time::timeout(request_timeout(&instance), writing).await;
                    answered(&instance, request, answer.unwrap_or(LeaseAnswer::Unknown));
                });
            }
            Effect::ReadLease { request } => {
                let (instance, lease) = (Arc::clone(&instance), instance.lease());
                tokio::spawn(async move {
                    let answer = tokio::time::timeout(request_timeout(&instance), lease.read()).await;
                    answered(&instance, request, answer.unwrap_or(LeaseAnswer::Unknown));
                });
            }
            Effect::AskPeers { request, term, peers } => {
                let instance = Arc::clone(&instance);
                tokio::spawn(async move {
                    consent::ask_all(&instance, request, term, peers, request_timeout(&instance)).await;
                });
            }
            Effect::Server { number, command } => {
                let term = instance.manager().reigned();
                instance.order(Order::Command(number, command, term));
            }
            Effect::KickClients => instance.order(Order::Kick),
            Effect::StartServer => restarts.start(&instance),
            // Killed where it was decided.
            Effect::KillServer => {}
        }
    }
}

fn request_timeout(instance: &Instance) -> Duration {
    instance.timing(&instance.manager()).request_timeout
}

async fn store_term(instance: &Instance, term: Term) {
    {
        let mut memory = instance.memory();
        memory.seen = memory.seen.max(term);
    }
    instance.store_memory().await;
}

fn answered(instance: &Instance, request: u64, answer: LeaseAnswer) {
    if answer == LeaseAnswer::Unknown {
        tracing::warn!("no usable answer about the lease");
    }
    let _ = instance.input(Input::Lease { request, answer });
}

#[derive(Default)]
struct Restarts {
    failures: u32,
    last: Option<Instant>,
}

impl Restarts {
    fn start(&mut self, instance: &Arc<Instance>) {
        let stable = self.last.is_none_or(|last| last.elapsed() >= STABLE);
        self.failures = if stable { 0 } else { self.failures + 1 };
        self.last = Some(Instant::now());
        let delay = match self.failures {
            0 | 1 => Duration::ZERO,
            failures => Duration::from_secs(1 << (failures - 2).min(5)).min(LONGEST_DELAY),
        };
        let instance = Arc::clone(instance);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            start(&instance).await;
        });
    }
}

/// Starts the server, held, and everything that belongs to one life of it.
async fn start(instance: &Arc<Instance>) {
    instance.restore.ready().await;
    certificate::until_supported(instance).await;
    if let Err(error) = use_data_of_another_kind(instance).await {
        tracing::error!(%error, "cannot use the data on the volume");
        return again(instance).await;
    }
    let prepared = match prepare(instance) {
        Ok(prepared) => prepared,
        Err(error) => {
            tracing::error!(%error, "cannot prepare the server");
            return again(instance).await;
        }
    };
    *instance.progress() = Progress::started(prepared.unnamed);
    *instance.misrouted() = Misrouted::default();
    let (guard, program) = (instance.guard.clone(), instance.settings.server.program.clone());
    let spawning =
        tokio::task::spawn_blocking(move || ServerProcess::start(&guard, &program, &prepared.config)).await;
    let (process, waiter) = match spawning.map_err(io::Error::other).flatten() {
        Ok(started) => started,
        Err(error) => {
            tracing::error!(%error, program = %instance.settings.server.program.display(), "cannot start the server");
            return again(instance).await;
        }
    };
    instance.starts.fetch_add(1, Ordering::Relaxed);
    let (orders, receiver) = mpsc::unbounded_channel();
    instance.set_orders(Some(orders));
    instance.set_process(Some(process));
    let work = tokio::spawn(worker::run(Arc::clone(instance), receiver));
    let ended = Arc::clone(instance);
    std::thread::spawn(move || {
        let status = waiter.wait();
        tracing::warn!(status, "the server ended");
        work.abort();
        ended.set_orders(None);
        ended.set_process(None);
        let _ = ended.input(Input::Exited);
    });
}

/// The server could not be started: that is the end of its life, too.
async fn again(instance: &Arc<Instance>) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let _ = instance.input(Input::Exited);
}

struct Prepared {
    config: PathBuf,
    unnamed: bool,
}

/// Whether the data comes from a file that does not name its history.
fn is_unnamed(settings: &Settings) -> bool {
    let manifest = settings.data_dir.join("appendonlydir");
    settings.server.persistence == Persistence::AppendOnly
        && std::fs::read_dir(manifest).is_ok_and(|mut files| files.next().is_some())
}

fn prepare(instance: &Instance) -> io::Result<Prepared> {
    // Read anew: what was changed since applies from this start on.
    let settings =
        Settings::read(&instance.settings_path, |name| std::env::var(name).ok()).unwrap_or_else(|error| {
            tracing::error!(%error, "settings were not read again");
            instance.settings.clone()
        });
    let access = settings.access().map_err(io::Error::other)?;
    forget_restored_data(instance, &settings)?;
    let secrets = Secrets { manager: &instance.manager_password, access: access.as_ref() };
    let text = server_config::render(&settings, &secrets, instance.silent_port);
    std::fs::create_dir_all(&settings.runtime_dir)?;
    let config = settings.runtime_dir.join("server.conf");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&config)?;
    file.write_all(text.as_bytes())?;
    // A socket of an earlier life would be taken for this one's.
    match std::fs::remove_file(server_config::socket(&settings)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    instance.started_with(&settings);
    instance.access.starts_with(access);
    Ok(Prepared { config, unnamed: is_unnamed(&settings) })
}

/// A volume may come from a cluster with another kind of persistence. What is noted beside it may be later than its snapshot.
async fn use_data_of_another_kind(instance: &Instance) -> Result<(), BackupError> {
    let Settings { data_dir, server, .. } = &instance.settings;
    if server.persistence == Persistence::None {
        return Ok(());
    }
    let Some(summary) = place::left_out(data_dir, server.persistence == Persistence::AppendOnly)? else {
        return Ok(());
    };
    instance.memory().rewind(summary.origin);
    instance.store_memory().await;
    tracing::info!("the snapshot on the volume becomes the base of the append-only file");
    place::convert(data_dir)
}

/// A server without persistence reads the data of a backup until it has reigned, and starts empty then: what it has read
/// is older than what was written since.
fn forget_restored_data(instance: &Instance, settings: &Settings) -> io::Result<()> {
    let memory = instance.memory();
    if settings.server.persistence != Persistence::None || !memory.restored || memory.seen == Term(0) {
        return Ok(());
    }
    match std::fs::remove_file(settings.data_dir.join("dump.rdb")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The lease that the settings name.
pub(crate) async fn lease_of(settings: &Settings) -> Result<Arc<dyn crate::lease::LeaseStore>, kube::Error> {
    use crate::lease::{FileLease, KubernetesLease, NoLease};
    Ok(match &settings.lease {
        LeaseSettings::Alone => Arc::new(NoLease),
        LeaseSettings::File(path) => Arc::new(FileLease::at(path)),
        LeaseSettings::Kubernetes { namespace, name } => {
            let client = kube::Client::try_default().await?;
            let duration = settings.intervals.timing().lease_duration;
            Arc::new(KubernetesLease::new(client, namespace, name, duration))
        }
    })
}
