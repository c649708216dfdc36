//! Start and stop of the fake, and its general controls.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use chrono::TimeDelta;
use tokio::sync::oneshot;

use crate::config::Config;
use crate::fault::{Answer, Matching};
use crate::http::{Inner, Shared, handle};
use crate::listener::{Gate, Switch};
use crate::record::Record;
use crate::token::TokenSpec;
use crate::world::World;

/// A running fake of the provider's API. It stops when it is dropped.
///
/// The server runs on a thread and a runtime of its own, so a test may pause the time of its runtime.
#[derive(Debug)]
pub struct FakeProvider {
    pub(crate) shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeProvider {
    /// Starts the fake on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Returns an error if the port or the thread is not available.
    pub fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::new(World::new(config)));
        let (stop, stopped) = oneshot::channel();
        let state = shared.clone();
        let thread = std::thread::Builder::new().name("fake-provider".into()).spawn(move || {
            runtime.block_on(serve(listener, state, stopped));
            runtime.shutdown_background();
        })?;
        Ok(Self { shared, address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL without `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs a function with the locked state.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.shared.lock())
    }

    /// Returns all requests since the start or the last [`Self::clear_requests`].
    pub fn requests(&self) -> Vec<Record> {
        self.with(|inner| inner.records.clone())
    }

    /// Clears the recorded requests.
    pub fn clear_requests(&self) {
        self.with(|inner| {
            inner.records.clear();
            inner.epoch += 1;
        });
    }

    /// Changes settings. Waits that are already running keep their delay.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) {
        self.with(|inner| change(&mut inner.world.config));
    }

    /// Moves the clock of the fake forward.
    pub fn advance(&self, time: Duration) {
        self.with(|inner| inner.world.offset += TimeDelta::from_std(time).unwrap_or_default());
    }

    /// Completes all running builds, power changes, migrations, and VPC changes.
    pub fn finish_builds(&self) {
        self.with(|inner| {
            let (now, config) = (inner.world.now(), inner.world.config.clone());
            for project in inner.world.projects.values_mut() {
                for service in project.services.values_mut() {
                    service.finish(now, &config);
                    if let Some(migration) = &mut service.migration {
                        migration.finish();
                    }
                }
                project.vpcs.iter_mut().for_each(|vpc| vpc.finish(now));
                project.leaving.clear();
            }
        });
    }

    /// Installs a fault. Of several faults that match a request, the first one that fires decides.
    pub fn inject(&self, matching: Matching, answer: Answer) {
        self.with(|inner| inner.faults.add(matching, answer));
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.with(|inner| inner.faults.clear());
    }

    /// Lets all requests that [`Answer::Held`] holds take effect.
    pub fn release_held(&self) {
        self.shared.release.send_modify(|generation| *generation += 1);
    }

    /// Adds a token.
    pub fn add_token(&self, token: TokenSpec) {
        self.configure(|config| config.tokens.push(token));
    }

    /// Revokes a token: every request with it answers 401.
    pub fn revoke_token(&self, secret: &str) {
        self.configure(|config| config.tokens.retain(|token| token.secret != secret));
    }

    /// Adds an empty project.
    pub fn add_project(&self, name: &str) {
        self.with(|inner| {
            inner.world.projects.entry(name.to_owned()).or_default();
        });
    }

    /// Removes a project with all it contains and reports whether it existed.
    pub fn remove_project(&self, name: &str) -> bool {
        self.with(|inner| inner.world.projects.remove(name).is_some())
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _stopped_already = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let router = Router::new().fallback(handle).with_state(shared);
    let service = router.into_make_service_with_connect_info::<Switch>();
    tokio::select! {
        _ = axum::serve(Gate::new(listener), service) => {}
        _ = stopped => {}
    }
}
