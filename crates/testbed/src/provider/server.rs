//! The running provider: a listener on loopback, the shared state, and an orderly end. Guarantees
//! that dropping [`ProviderServer`] closes the port and every connection, hanging requests included.

use super::clock::{Clock, Moment};
use super::console;
use super::faults::Script;
use super::handle::ProviderHandle;
use super::listener::{self, Cut, CuttableListener};
use super::log::Log;
use super::options::{Engine, ProviderOptions};
use super::pipeline;
use super::supervisor;
use super::world::World;
use crate::faults::FaultPlan;
use crate::servers::Servers;
use anyhow::Context as _;
use axum::Router;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What handlers and the control surface share.
pub(super) struct Shared {
    pub(super) clock: Clock,
    world: Mutex<World>,
    log: Mutex<Log>,
    script: Mutex<Script>,
    plan: Mutex<Option<FaultPlan>>,
    /// Requests that take effect although no caller waits for their answers any more.
    pub(super) late: AtomicUsize,
}

impl Shared {
    /// Locks the world as it is now.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world_at(self.clock.now())
    }

    pub(super) fn world_at(&self, now: Moment) -> MutexGuard<'_, World> {
        let mut world = locked(&self.world);
        world.set_steady_time(self.clock.steady());
        world.settle(now);
        world
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        locked(&self.log)
    }

    /// The plan that numbers the requests of this provider together with those of other servers.
    pub(super) fn plan(&self) -> MutexGuard<'_, Option<FaultPlan>> {
        locked(&self.plan)
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        locked(&self.script)
    }
}

/// Locks; a panic elsewhere while holding the lock fails that test, not every later one.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A simulated provider that answers on a loopback port until it is dropped.
#[derive(Debug)]
pub struct ProviderServer {
    address: SocketAddr,
    handle: ProviderHandle,
    lifetime: CancellationToken,
    supervisor: Option<JoinHandle<()>>,
}

impl ProviderServer {
    /// Starts to listen; the returned server answers already.
    pub async fn start(options: ProviderOptions) -> anyhow::Result<Self> {
        let listener =
            listener::bind(options.port).await.with_context(|| format!("port {}", options.port))?;
        let address = listener.local_addr()?;
        let offset = options.content.as_ref().map_or(0, |content| content.offset_milliseconds);
        let clock = Clock::moved(offset);
        let servers = match &options.engine {
            Engine::Simulated => None,
            Engine::Process { binaries, data } => Some(Servers::prepare(binaries.clone(), data.as_deref())?),
        };
        let mut world = World::new(&options, servers.clone(), clock.now());
        if let Some(content) = options.content {
            content.restore(&mut world)?;
        }
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            clock,
            log: Mutex::new(Log::new(options.log_capacity)),
            script: Mutex::default(),
            plan: Mutex::default(),
            late: AtomicUsize::new(0),
        });
        let lifetime = CancellationToken::new();
        let service = Router::new()
            .fallback(pipeline::answer)
            .with_state(Arc::clone(&shared))
            .merge(console::routes(ProviderHandle::new(Arc::clone(&shared))))
            .into_make_service_with_connect_info::<Cut>();
        let serve = axum::serve(CuttableListener::new(listener, lifetime.clone()), service)
            .with_graceful_shutdown(lifetime.clone().cancelled_owned());
        tokio::spawn(async move { serve.await });
        let supervisor = servers
            .map(|servers| tokio::spawn(supervisor::run(Arc::clone(&shared), servers, lifetime.clone())));
        Ok(Self { address, handle: ProviderHandle::new(shared), lifetime, supervisor })
    }

    /// Ends the server, with the data of all services saved if it is to be kept.
    pub async fn stop(mut self) {
        self.lifetime.cancel();
        if let Some(supervisor) = self.supervisor.take() {
            // One that panicked has no servers any more.
            let _ = supervisor.await;
        }
    }

    /// Address of the API without `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The control surface.
    pub fn handle(&self) -> ProviderHandle {
        self.handle.clone()
    }

    /// Moves the provider's time forward.
    pub fn advance(&self, by: Duration) {
        self.handle.advance(by);
    }
}

impl Drop for ProviderServer {
    fn drop(&mut self) {
        self.lifetime.cancel();
    }
}
