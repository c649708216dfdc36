//! What is answered to anybody: whether the manager lives, whether the server can be used, and metrics.
//!
//! Guarantees: `/healthz` asks the manager alone, so that a server which loads, saves or forks is not killed for
//! it; nothing that is answered here changes anything or names a key, a client or a password.

use crate::{instance::Instance, kernel::Kernel, metrics, observe, settings::Persistence};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use std::sync::{Arc, atomic::Ordering};
use valkeeper_failover::protocol::Role;

pub(crate) fn router(instance: Arc<Instance>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(instance)
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready is a primary, and a replica whose link is up, once they know their users.
async fn readyz(State(instance): State<Arc<Instance>>) -> Response {
    let answer = observe::status(&instance).await;
    if instance.settings.server.access_file.is_some() && !instance.users.are_known(instance.access.life()) {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: users are not known yet\n").into_response();
    }
    match &answer.status.role {
        Role::Primary(term) => format!("ok: primary in term {}\n", term.0).into_response(),
        Role::Replica(primary) if answer.status.streaming => {
            format!("ok: replica of {primary}\n").into_response()
        }
        role => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {role:?}\n")).into_response(),
    }
}

/// Size and free bytes of the volume; none where data is in memory only.
fn volume(instance: &Instance) -> Option<(u64, u64)> {
    if instance.settings.server.persistence == Persistence::None {
        return None;
    }
    let volume = rustix::fs::statvfs(&instance.settings.data_dir).ok()?;
    Some((volume.f_blocks * volume.f_frsize, volume.f_bavail * volume.f_frsize))
}

async fn render(State(instance): State<Arc<Instance>>) -> Response {
    let synced = observe::status(&instance).await.status.synced;
    let info = instance.prober.ask_for(&["everything"]).await.ok();
    let manager = instance.manager();
    let own = metrics::Own {
        role: manager.role(),
        seen: manager.seen(),
        deadline: manager.deadline(&instance.timing(&manager)),
        now: crate::clock::now(),
        starts: instance.starts.load(Ordering::Relaxed),
        kills: instance.kills.load(Ordering::Relaxed),
        certificate: instance.certificate.remaining(),
        by_consent: manager.reigns_by_consent(),
        alone: instance.is_alone(),
        synced,
        volume: volume(&instance),
        kernel: Kernel::read(),
    };
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(info.as_ref(), &own)).into_response()
}
