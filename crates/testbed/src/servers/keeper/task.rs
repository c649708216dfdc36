//! The loop that keeps one server: compares the wanted and the actual state, and takes the next step. A failure is
//! logged once and retried.

use super::{Order, Report};
use crate::servers::gate::{Gate, Rules};
use crate::servers::migration::Running;
use crate::servers::server::{Place, Server, Source};
use crate::servers::wanted::{Identity, Phase, Wanted};
use crate::servers::{Servers, control, snapshots};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Interval of checks of a server without a change.
const PACE: Duration = Duration::from_millis(100);
/// How soon a step that failed is tried again.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Everything about a server that is being kept.
pub(super) struct Task {
    /// Before the folder of all servers goes, this one must have ended: fields are dropped in order.
    server: Option<Server>,
    servers: Arc<Servers>,
    identity: Identity,
    place: Place,
    /// With and without TLS.
    gates: Option<(Gate, Gate)>,
    /// Port of the source that is being followed.
    following: Option<u16>,
    migration: Option<Running>,
    /// The transition for which the server was stopped in order to be replaced.
    replaced: Option<DateTime<Utc>>,
    report: Report,
}

impl Task {
    pub(super) fn new(servers: Arc<Servers>, identity: Identity) -> Self {
        let socket = servers.temporary.path().join(format!("{}.sock", uuid::Uuid::new_v4().simple()));
        servers.set_socket(&identity, socket.clone());
        let place = Place { folder: servers.folder(&identity), socket };
        Self {
            servers,
            identity,
            place,
            server: None,
            gates: None,
            following: None,
            migration: None,
            replaced: None,
            report: Report::default(),
        }
    }

    pub(super) async fn run(mut self, mut orders: watch::Receiver<Order>, send: impl Fn(&Report)) {
        let mut reported = Report::default();
        let mut failure = String::new();
        loop {
            let order = orders.borrow_and_update().clone();
            let wanted = match order {
                Order::Keep(wanted) => wanted,
                Order::Leave => return self.end(false).await,
                Order::Delete => return self.end(true).await,
            };
            match self.step(&wanted).await {
                Ok(()) => failure.clear(),
                Err(error) => {
                    let text = format!("{error:#}");
                    if text != failure {
                        tracing::warn!(service = self.identity.service, "cannot keep the server: {text}");
                        failure = text;
                    }
                }
            }
            if self.report != reported {
                reported = self.report.clone();
                send(&reported);
            }
            let pace = if failure.is_empty() { PACE } else { AFTER_FAILURE };
            if let Ok(Err(_)) = tokio::time::timeout(pace, orders.changed()).await {
                return;
            }
        }
    }

    async fn end(mut self, delete: bool) {
        self.close();
        let persists = !delete;
        if let Some(server) = self.server.take() {
            // Dropping what does not end in time kills it.
            let _ = server.end(persists).await;
        }
        if delete {
            let _ = tokio::fs::remove_dir_all(&self.place.folder).await;
        }
    }

    /// Does what is to be done now.
    async fn step(&mut self, wanted: &Wanted) -> anyhow::Result<()> {
        self.open_gates(wanted).await?;
        let running = match wanted.phase {
            Phase::Up => self.run_server(wanted, true).await?,
            Phase::Old => self.run_server(wanted, false).await?,
            Phase::Replace => self.replace(wanted).await?,
            Phase::Stop => {
                self.stop(wanted.persists).await?;
                true
            }
            Phase::Off => {
                self.stop(wanted.persists).await?;
                false
            }
        };
        self.keep_snapshots(wanted).await?;
        if running && wanted.phase != Phase::Old {
            self.report.completed = wanted.transition;
        }
        Ok(())
    }

    async fn open_gates(&mut self, wanted: &Wanted) -> anyhow::Result<()> {
        if self.gates.is_none() {
            let (tls, plain) = wanted.ports;
            let gates = (Gate::open(Some(tls)).await?, Gate::open(Some(plain)).await?);
            self.report.ports = Some((gates.0.port(), gates.1.port()));
            self.gates = Some(gates);
        }
        Ok(())
    }

    /// Makes the server run as wanted; whether clients could use it now.
    async fn run_server(&mut self, wanted: &Wanted, restart: bool) -> anyhow::Result<bool> {
        let binaries = &self.servers.binaries;
        let binary = if wanted.is_redis { &binaries.redis } else { &binaries.valkey }.clone();
        if self.server.as_mut().is_some_and(Server::has_ended) {
            tracing::warn!(
                service = self.identity.service,
                "the server ended by itself and is started again"
            );
            self.forget_server();
        }
        if restart && self.server.as_ref().is_some_and(|server| !server.suits(&binary, wanted)) {
            self.stop(true).await?;
        }
        if self.server.is_none() {
            if !self.prepare_data(wanted).await? {
                return Ok(false);
            }
            let server = Server::start(&self.servers, &self.place, &binary, wanted).await?;
            self.report.version = Some(server.binary.version.clone());
            self.server = Some(server);
        }
        let server = self.server.as_mut().context("the server has just been started")?;
        server.apply(wanted).await?;
        if !wanted.persists {
            // What a restart needed is in memory now.
            let _ = tokio::fs::remove_file(self.place.dump()).await;
        }
        let complete = self.follow(wanted).await?;
        self.migrate(wanted).await?;
        self.admit(wanted);
        Ok(complete)
    }

    /// Restarts the server with its data, once for each transition.
    async fn replace(&mut self, wanted: &Wanted) -> anyhow::Result<bool> {
        if self.replaced != wanted.transition {
            self.replaced = wanted.transition;
            self.stop(true).await?;
        }
        self.run_server(wanted, true).await
    }

    /// Lays out the folders; `false` as long as the data to start from is not there.
    async fn prepare_data(&self, wanted: &Wanted) -> anyhow::Result<bool> {
        let data = self.place.data();
        if data.exists() {
            return Ok(true);
        }
        let seed = wanted
            .seed
            .as_ref()
            .map(|seed| snapshots::path(&self.servers.folder(&seed.source), &seed.snapshot));
        if seed.as_ref().is_some_and(|seed| !seed.exists()) {
            return Ok(false);
        }
        let fresh = self.place.folder.join("new");
        tokio::fs::create_dir_all(&fresh).await?;
        if let Some(seed) = seed {
            snapshots::copy(&seed, &fresh.join("dump.rdb")).await?;
        }
        tokio::fs::rename(&fresh, &data).await?;
        Ok(true)
    }

    /// Follows the service's source; whether its data is here. A service without source is complete.
    async fn follow(&mut self, wanted: &Wanted) -> anyhow::Result<bool> {
        let Some(server) = &mut self.server else { return Ok(false) };
        let Some(source) = &wanted.source else {
            if self.following.take().is_some() {
                server.follow(None).await?;
            }
            return Ok(true);
        };
        let Some(port) = self.servers.address(source) else { return Ok(false) };
        if self.following != Some(port) {
            let password = &self.servers.control_password;
            let source = Source { host: "127.0.0.1", port, user: control::USER, password, tls: true };
            server.follow(Some(source)).await?;
            self.following = Some(port);
        }
        let info = server.control.info("replication").await?;
        Ok(info.get("master_link_status").is_some_and(|status| status == "up"))
    }

    async fn migrate(&mut self, wanted: &Wanted) -> anyhow::Result<()> {
        let Some(server) = &mut self.server else { return Ok(()) };
        let superseded = |running: &mut Running| {
            !wanted.migration.as_ref().is_some_and(|settings| running.is_for(settings))
        };
        if let Some(old) = self.migration.take_if(superseded) {
            old.stop(server).await?;
            self.report.migration = None;
        }
        let Some(settings) = &wanted.migration else { return Ok(()) };
        let running = match self.migration.take() {
            Some(running) => running,
            None => Running::start(&self.servers, &self.place, server, settings).await?,
        };
        let course = running.observe(server).await;
        self.migration = Some(running);
        self.report.migration = Some(course?);
        Ok(())
    }

    /// Lets clients in.
    fn admit(&self, wanted: &Wanted) {
        let (Some(server), Some((tls, plain))) = (&self.server, &self.gates) else { return };
        let networks = wanted.settings.networks.clone();
        plain.set(Rules { networks: networks.clone(), server: server.plain_port });
        tls.set(Rules { networks, server: Some(server.tls_port) });
        self.servers.set_address(&self.identity, Some(server.tls_port));
    }

    /// Refuses clients.
    fn close(&self) {
        for gate in self.gates.iter().flat_map(|(tls, plain)| [tls, plain]) {
            gate.set(Rules::default());
        }
        self.servers.set_address(&self.identity, None);
    }

    fn forget_server(&mut self) {
        self.close();
        self.server = None;
        self.following = None;
        self.migration = None;
    }

    async fn stop(&mut self, save: bool) -> anyhow::Result<()> {
        let Some(server) = self.server.take() else { return Ok(()) };
        self.forget_server();
        server.end(save).await
    }

    async fn keep_snapshots(&mut self, wanted: &Wanted) -> anyhow::Result<()> {
        let control = self.server.as_mut().map(|server| &mut server.control);
        self.report.snapshots = snapshots::keep(&self.place, control, &wanted.snapshots).await?;
        Ok(())
    }
}
