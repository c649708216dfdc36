//! Applies changed settings to the running server: who may log in always, directives where the server can.
//!
//! Guarantees: roles are not touched: an instance that accepts writes alone goes on without a deadline
//! after it was told of a lease, until it is held; and one with a lease goes on when it becomes the only one.

use crate::{
    access::{self, AccessError},
    certificate, executor,
    instance::Instance,
    server_config,
    settings::{Settings, SettingsError},
    status::ReloadAnswer,
    worker,
};
use valkeeper_server::{Error, ErrorClass, Server};

/// Why nothing, or not everything, was applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The server did not take them.
    #[error(transparent)]
    Server(#[from] Error),
    /// Who may log in was not applied.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The lease that they name cannot be reached.
    #[error("cannot connect to the Kubernetes API: {0}")]
    Lease(#[from] kube::Error),
}

pub(crate) async fn reload(instance: &Instance) -> Result<ReloadAnswer, ReloadError> {
    let settings = Settings::read(&instance.settings_path, |name| std::env::var(name).ok())?;
    let lease = executor::lease_of(&settings).await?;
    access::apply(instance).await?;
    let mut server = Server::from(instance.prober.connect().await?);
    let mut answer = ReloadAnswer::default();
    for (name, value) in server_config::live_directives(&settings) {
        match set(&mut server, &name, &value).await {
            Ok(true) => answer.applied.push(name),
            Ok(false) => {}
            Err(error) if error.class() == ErrorClass::Refused => answer.need_restart.push(name),
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(tls) = settings.server.tls.as_ref().filter(|tls| tls.revision.is_none()) {
        // Of others, the files are watched.
        certificate::read_again(&mut server, tls).await?;
    }
    if instance.manager().accepts_writes() {
        // When it is held meanwhile, the confirmation comes after this: no fence depends on it.
        worker::set_min_replicas(&mut server, settings.server.min_replicas).await?;
    }
    instance.replace_settings(&settings, lease, answer.need_restart.clone());
    tracing::info!(revision = settings.revision, applied = ?answer.applied, need_restart = ?answer.need_restart, "settings read again");
    Ok(answer)
}

/// Whether the value was another one before.
async fn set(server: &mut Server, name: &str, value: &str) -> Result<bool, Error> {
    let before = server.config_get(name).await?;
    server.config_set(&[(name, value)]).await?;
    let after = server.config_get(name).await?;
    Ok(before != after)
}
