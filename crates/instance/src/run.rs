//! One instance from start to end: the parts, and what runs beside each other.

use crate::{
    access, certificate, consent, executor, health,
    instance::{Instance, Parts},
    memory::MemoryFile,
    observe, program, sentinel,
    settings::{Settings, SettingsError},
    shutdown::{self, Signals},
    silent,
    tls::TlsListener,
    unauthenticated::UnauthenticatedServer,
    users, verbs,
};
use std::{
    ffi::OsString,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use valkeeper_failover::manager::Input;

/// How often deadlines are compared with the clock.
const WATCHDOG: Duration = Duration::from_millis(50);

/// Why an instance cannot run.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The lease cannot be reached as the settings say.
    #[error("cannot connect to the Kubernetes API: {0}")]
    Lease(#[from] kube::Error),
    /// A file, a port or a signal.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
}

/// Runs until a signal ends it.
pub async fn run(settings_path: &Path, guard: Vec<OsString>) -> Result<(), InstanceError> {
    let mut settings = Settings::read(settings_path, |name| std::env::var(name).ok())?;
    settings.server.program = program::present(&settings.server.program);
    settings.access()?;
    let at = |what| move |error| InstanceError::Io(what, error);
    std::fs::create_dir_all(&settings.data_dir).map_err(at("cannot create the data folder"))?;
    crate::import::remove_leftovers(&settings);
    let memory_file = MemoryFile::in_folder(&settings.data_dir);
    let mut memory = memory_file.load();
    memory.boot += 1;
    // The identity is used only after the disk has it: no two lives are called the same.
    memory_file.store(&memory).map_err(at("cannot store the memory of the instance"))?;
    let control = TcpListener::bind(settings.control.address).await.map_err(at("cannot listen for verbs"))?;
    let probes = TcpListener::bind(settings.health).await.map_err(at("cannot listen for probes"))?;
    let parts = Parts {
        lease: executor::lease_of(&settings).await?,
        silent_port: silent::listen().await.map_err(at("cannot listen for the server"))?,
        manager_password: password().map_err(at("cannot read random bytes"))?,
        settings_path: settings_path.to_owned(),
        guard,
        memory_file,
        memory,
        settings,
    };
    let (instance, effects) = Instance::new(parts);
    let signals = Arc::new(Signals::new());
    listen_for_signals(&signals).map_err(at("cannot handle signals"))?;
    watchdog(Arc::clone(&instance));
    tokio::spawn(executor::run(Arc::clone(&instance), effects));
    tokio::spawn(observe::watch(Arc::clone(&instance)));
    tokio::spawn(access::watch(Arc::clone(&instance)));
    tokio::spawn(users::watch(Arc::clone(&instance)));
    tokio::spawn(certificate::watch(Arc::clone(&instance)));
    tokio::spawn(sentinel::run(Arc::clone(&instance)));
    tokio::spawn(consent::watch(Arc::clone(&instance)));
    serve(&instance, control, probes).map_err(at("cannot use the certificates for verbs"))?;
    tracing::info!(identity = %instance.manager().identity(), "instance manager started");
    signals.first.cancelled().await;
    shutdown::leave(&instance, &signals.second).await;
    tracing::info!("instance manager ended");
    Ok(())
}

fn serve(instance: &Arc<Instance>, control: TcpListener, probes: TcpListener) -> io::Result<()> {
    let verbs = verbs::router(Arc::clone(instance));
    match instance.settings.control.tls.clone() {
        Some(files) => {
            let listener = TlsListener::start(control, files, UnauthenticatedServer::of(instance))?;
            tokio::spawn(async move { axum::serve(listener, verbs).await });
        }
        None => drop(tokio::spawn(async move { axum::serve(control, verbs).await })),
    }
    let health = health::router(Arc::clone(instance));
    tokio::spawn(async move { axum::serve(probes, health).await });
    Ok(())
}

/// A thread of its own: whatever the other tasks wait for, the clock is read.
fn watchdog(instance: Arc<Instance>) {
    std::thread::spawn(move || {
        loop {
            let _ = instance.input(Input::Tick);
            std::thread::sleep(WATCHDOG);
        }
    });
}

fn listen_for_signals(signals: &Arc<Signals>) -> io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()] {
        let (mut stream, signals) = (signal(kind)?, Arc::clone(signals));
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                signals.note();
            }
        });
    }
    // As the first process of a container, it inherits the children of everybody who ends.
    if rustix::process::getpid() == rustix::process::Pid::INIT {
        let mut children = signal(SignalKind::child())?;
        tokio::spawn(async move {
            loop {
                // Also those that ended before anybody listened.
                while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
                if children.recv().await.is_none() {
                    return;
                }
            }
        });
    }
    Ok(())
}

fn password() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect())
}
