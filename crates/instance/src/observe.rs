//! Puts together what manager and server say: the status that is answered, and the loop that keeps watching.
//!
//! Guarantees: a status pairs a role with an answer of the server that was asked for while the instance had that
//! role from beginning to end; otherwise it says that the role is changing.

use crate::{
    clock,
    instance::Instance,
    peer,
    probe::{self, Responsiveness},
    progress::{Anchor, Standing},
    server_config,
    status::{ReplicaStatus, ServerStatus, StatusAnswer},
};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use valkeeper_failover::{
    manager::{Input, Manager},
    protocol::{Role, Status},
};
use valkeeper_server::{Error, Info, Server, info::Replication};

/// Attempts to catch the instance in one role.
const ATTEMPTS: u32 = 4;
/// Longest wait for a primary's answer.
const ANCHOR_PATIENCE: Duration = Duration::from_secs(3);
/// Clients are disconnected at most this often.
const KICK_INTERVAL: Duration = Duration::from_millis(250);
/// How often what is remembered is stored, if it changed.
const STORE_INTERVAL: Duration = Duration::from_secs(5);

/// What the instance answers now.
pub(crate) async fn status(instance: &Instance) -> StatusAnswer {
    for _ in 0..ATTEMPTS {
        let before = instance.manager();
        let info = instance.prober.ask().await;
        if instance.manager().role() == before.role() {
            return answer(instance, &before, info);
        }
    }
    let unknown = Err(Error::TimedOut("INFO".to_owned()));
    let mut answer = answer(instance, &instance.manager(), unknown);
    answer.status.role = Role::Changing;
    answer
}

/// The answer from a role and what the server said during it.
fn answer(instance: &Instance, manager: &Manager, info: Result<Info, Error>) -> StatusAnswer {
    let role = manager.role();
    let info = info.ok();
    let mut standing = info.as_ref().map_or_else(Standing::default, |info| {
        let mut memory = instance.memory();
        let mut progress = instance.progress();
        progress.observe(&mut memory, &role, &info.replication(), info.persistence())
    });
    if role == Role::Held {
        standing.claim(manager.reigned());
    }
    let misrouted = info.as_ref().is_some_and(|info| {
        let misrouted = instance.misrouted();
        let due = clock::now().saturating_sub(misrouted.kicked) >= KICK_INTERVAL;
        due && !manager.accepts_writes() && (misrouted.reigned || info.errors("READONLY") > misrouted.known)
    });
    let status = Status {
        identity: manager.identity().clone(),
        seen: manager.seen(),
        role,
        position: standing.position,
        live: standing.live,
        streaming: standing.streaming,
        synced: standing.synced,
        restarted: manager.is_restarted(),
        leaving: manager.is_leaving(),
        stopping: manager.is_stopping(),
        misrouted,
        stored: instance.stored_term(),
        by_consent: manager.reigns_by_consent(),
    };
    StatusAnswer {
        status,
        server: info.map(|info| server_status(instance, &info)),
        settings: instance.settings_status(),
        access: instance.access.revision(),
        restore: instance.restore.status(),
        tls: instance
            .settings
            .server
            .tls
            .as_ref()
            .map(|tls| instance.certificate.status(tls, instance.settings.server.port)),
    }
}

fn server_status(instance: &Instance, info: &Info) -> ServerStatus {
    let (replication, persistence, memory) = (info.replication(), info.persistence(), info.memory());
    let replicas = replication.replicas.iter().filter(|replica| replica.is_online);
    ServerStatus {
        host: instance.settings.server.host.clone(),
        port: server_config::announced(&instance.settings.server),
        version: info.version().to_owned(),
        replicas: replicas
            .map(|replica| ReplicaStatus {
                host: replica.host.clone(),
                port: replica.port,
                offset: replica.offset,
                lag: replica.lag,
            })
            .collect(),
        replication_id: replication.id,
        offset: replication.offset,
        loading: persistence.loading,
        writes_succeed: persistence.writes_succeed,
        used_memory: memory.used,
        max_memory: memory.limit,
    }
}

/// Watches the server for as long as the manager runs.
pub(crate) async fn watch(instance: Arc<Instance>) {
    let limit = Duration::from_millis(instance.settings.intervals.server_timeout);
    let mut responsiveness = Responsiveness::default();
    let mut stored = (clock::now(), instance.memory().clone());
    let mut reigns_in = None;
    let mut anchoring: Option<JoinHandle<()>> = None;
    loop {
        let asked = clock::now();
        let before = instance.manager();
        let info = instance.prober.ask().await;
        let answers = info.is_ok() || !instance.has_server();
        if responsiveness.note(answers, asked, clock::now(), limit) {
            tracing::warn!("the server does not answer");
            let _ = instance.input(Input::Unresponsive);
        }
        if let Ok(info) = info
            && instance.manager().role() == before.role()
        {
            let starts = info.run_id().to_owned();
            let is_new = before.role() == Role::Held
                && !info.persistence().loading
                && reigns_in.as_ref() != Some(&starts);
            if instance.is_alone() && (is_new || before.accepts_writes() && !before.reigns_alone()) {
                reigns_in = Some(starts);
                instance.reign_alone();
            }
            let link = instance.progress().link_without_anchor(&before.role(), &info.replication());
            if let Some(link) = link.filter(|_| anchoring.as_ref().is_none_or(JoinHandle::is_finished)) {
                let (instance, own) = (Arc::clone(&instance), info.replication());
                anchoring = Some(tokio::spawn(async move { anchor(&instance, link, &own).await }));
            }
            answer(&instance, &before, Ok(info));
        }
        let is_behind = instance.stored_term() < instance.memory().seen;
        if clock::now().saturating_sub(stored.0) >= STORE_INTERVAL
            && (is_behind || *instance.memory() != stored.1)
        {
            instance.store_memory().await;
            stored = (clock::now(), instance.memory().clone());
        }
        tokio::time::sleep(probe::INTERVAL).await;
    }
}

/// Reads the primary's offset, now that this link to it is up. Beside the watch: a primary may be far away.
async fn anchor(instance: &Instance, link: u64, own: &Replication) {
    let term = instance.following().term;
    match tokio::time::timeout(ANCHOR_PATIENCE, read_primary(instance, own)).await {
        Ok(Ok(primary)) if primary.is_primary && instance.following().term == term => {
            let anchor = Anchor { term, id: primary.id, offset: primary.offset };
            instance.progress().anchored(link, anchor);
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "cannot read the offset of the primary"),
        Err(_) => tracing::debug!("the primary did not answer"),
    }
}

async fn read_primary(instance: &Instance, own: &Replication) -> Result<Replication, Error> {
    let connection = peer::connect(instance, &own.primary_host, own.primary_port, ANCHOR_PATIENCE).await?;
    Ok(Server::from(connection).info(&["replication"]).await?.replication())
}
