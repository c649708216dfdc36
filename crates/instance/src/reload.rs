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
        match set(instance, &mut server, &name, &value).await? {
            Outcome::Unchanged => {}
            Outcome::Applied => answer.applied.push(name),
            Outcome::NeedsRestart => answer.need_restart.push(name),
            Outcome::Refused(why) => answer.refused.push(format!("{name}: {why}")),
        }
    }
    answer.need_restart.extend(instance.declared_no_more(&settings));
    if let Some(tls) = settings.server.tls.as_ref().filter(|tls| tls.revision.is_none()) {
        // Of others, the files are watched.
        certificate::read_again(&mut server, tls).await?;
    }
    if instance.manager().accepts_writes() {
        // When it is held meanwhile, the confirmation comes after this: no fence depends on it.
        worker::set_min_replicas(&mut server, settings.server.min_replicas).await?;
    }
    instance.replace_settings(&settings, lease, &answer);
    tracing::info!(revision = settings.revision, ?answer, "settings read again");
    Ok(answer)
}

/// Cannot be asked for, nor set.
const LOAD_MODULE: &str = "loadmodule";

/// What came of a directive.
enum Outcome {
    /// It had this value.
    Unchanged,
    /// It has this value now.
    Applied,
    /// It gets a value at a start only.
    NeedsRestart,
    /// No server takes this value; why.
    Refused(String),
}

/// Gives a directive this value, unless it has it.
async fn set(instance: &Instance, server: &mut Server, name: &str, value: &str) -> Result<Outcome, Error> {
    let before = server.config_get(name).await?.remove(name);
    // Not every directive that a server is started with can be asked for.
    if before.as_deref() == Some(value) || before.is_none() && instance.has_directive(name) {
        return Ok(Outcome::Unchanged);
    }
    if before.is_none() && name == LOAD_MODULE {
        return Ok(Outcome::NeedsRestart);
    }
    let refusal = match server.config_set(&[(name, value)]).await {
        Ok(()) => {
            let after = server.config_get(name).await?.remove(name);
            return Ok(if before == after { Outcome::Unchanged } else { Outcome::Applied });
        }
        Err(error) if error.class() == ErrorClass::Refused => error,
        Err(error) => return Err(error),
    };
    let text = match refusal {
        Error::Refused { answer, .. } => answer,
        other => other.to_string(),
    };
    let Some(current) = before else { return Ok(Outcome::Refused(text)) };
    // A directive that can be set takes the value that it has.
    match server.config_set(&[(name, &current)]).await {
        Ok(()) => Ok(Outcome::Refused(text)),
        Err(error) if error.class() == ErrorClass::Refused => Ok(Outcome::NeedsRestart),
        Err(error) => Err(error),
    }
}
