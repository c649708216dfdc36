//! Finds the backup or the server that a new cluster gets its data from, and names it to the first instance.

use super::{Reconciliation, password_text::password_in};
use crate::cluster::{data_objects, secrets};
use crate::controller::{
    backup::target,
    error::{ReconcileError, Result},
};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use secrecy::ExposeSecret as _;
use valkeeper_api::{
    Custom as _, ValkeyBackup,
    common::SecretKeyReference,
    valkey_cluster::{BootstrapBackup, BootstrapServer, BootstrapServerTls},
};
use valkeeper_cluster::{Desired, Observed, RestoreSource};
use valkeeper_instance::{
    import::{ClientCertificate, ImportRequest, SourceServer, SourceTls},
    restore::RestoreRequest,
};

/// Where a user names the password of a server.
const PASSWORD_FIELD: &str = "spec.bootstrap.server.passwordSecretRef";

/// What the first instance is asked for.
pub(super) enum FirstData {
    Backup(RestoreRequest),
    Server(ImportRequest),
}

impl FirstData {
    /// Key of the backup, or host and port of the server.
    fn key(&self) -> String {
        match self {
            Self::Backup(request) => request.key.clone(),
            Self::Server(request) => request.source.address(),
        }
    }
}

impl Reconciliation {
    /// Names an instance where its data comes from.
    pub(super) async fn restore(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        ordinal: u32,
    ) -> Result<bool, ReconcileError> {
        self.known.restoration.asked();
        let Ok(request) = self.first_data(desired).await? else { return Ok(false) };
        let Some(instance) = self.instance(desired, observed, ordinal) else { return Ok(false) };
        let answer = match &request {
            FirstData::Backup(request) => instance.restore(request).await,
            FirstData::Server(request) => instance.import(request).await,
        };
        if let Err(error) = &answer {
            tracing::info!(%error, "no answer to a restoration");
        }
        Ok(answer.is_ok())
    }

    /// Where the data is to come from, if it still has to.
    pub(super) async fn restore_source(&self, desired: &Desired) -> Result<RestoreSource, ReconcileError> {
        if desired.spec.bootstrap.is_none() || desired.status.restored.is_some() {
            return Ok(RestoreSource::Unknown);
        }
        Ok(match self.first_data(desired).await? {
            Ok(request) => RestoreSource::Found(request.key()),
            Err(problem) => RestoreSource::Problem(problem),
        })
    }

    /// What the first instance is asked for; what is missing, and what to do, if that cannot be.
    async fn first_data(&self, desired: &Desired) -> Result<Result<FirstData, String>, ReconcileError> {
        let bootstrap = desired.spec.bootstrap.clone().unwrap_or_default();
        Ok(match (bootstrap.backup, bootstrap.server) {
            (_, Some(server)) => self.import_request(desired, &server).await?.map(FirstData::Server),
            (Some(backup), None) => self.restore_request(desired, &backup).await?.map(FirstData::Backup),
            (None, None) => Err("spec.bootstrap names neither a backup nor a server.".to_owned()),
        })
    }

    async fn import_request(
        &self,
        desired: &Desired,
        server: &BootstrapServer,
    ) -> Result<Result<ImportRequest, String>, ReconcileError> {
        let password = match &server.password_secret_ref {
            None => None,
            Some(SecretKeyReference { name, key }) => {
                let secret = data_objects::get::<Secret>(&self.context.client, &self.namespace, name).await?;
                match password_in(secret.as_ref(), (name, key), PASSWORD_FIELD) {
                    Ok(password) => Some(password.expose_secret().to_owned()),
                    Err(problem) => return Ok(Err(problem)),
                }
            }
        };
        let Ok(port) = u16::try_from(server.port) else {
            return Ok(Err("spec.bootstrap.server.port must be 1 to 65535.".to_owned()));
        };
        let tls = match &server.tls {
            None => None,
            Some(tls) => match self.source_tls(tls).await? {
                Ok(tls) => Some(tls),
                Err(problem) => return Ok(Err(problem)),
            },
        };
        let (host, username) = (server.host.clone(), server.username.clone());
        let source = SourceServer { host, port, username, password, tls };
        let (is_redis, version) = (desired.is_redis(), desired.spec.version.clone());
        Ok(Ok(ImportRequest { source, is_redis, version, cut_over: server.cut_over }))
    }

    async fn source_tls(
        &self,
        tls: &BootstrapServerTls,
    ) -> Result<Result<SourceTls, String>, ReconcileError> {
        let (ca, field) = (&tls.ca_secret_ref, "spec.bootstrap.server.tls");
        let secret = data_objects::get::<Secret>(&self.context.client, &self.namespace, &ca.name).await?;
        let authority = match pem_in(secret.as_ref(), (&ca.name, &ca.key), &format!("{field}.caSecretRef")) {
            Ok(authority) => authority,
            Err(problem) => return Ok(Err(problem)),
        };
        let certificate = match &tls.certificate_secret_name {
            None => None,
            Some(name) => {
                let secret = data_objects::get::<Secret>(&self.context.client, &self.namespace, name).await?;
                let pem =
                    |key| pem_in(secret.as_ref(), (name, key), &format!("{field}.certificateSecretName"));
                match pem("tls.crt").and_then(|certificate| Ok((certificate, pem("tls.key")?))) {
                    Ok((certificate, key)) => Some(ClientCertificate { certificate, key }),
                    Err(problem) => return Ok(Err(problem)),
                }
            }
        };
        Ok(Ok(SourceTls { authority, certificate, server_name: tls.server_name.clone() }))
    }

    async fn restore_request(
        &self,
        desired: &Desired,
        backup: &BootstrapBackup,
    ) -> Result<Result<RestoreRequest, String>, ReconcileError> {
        let (destination, key) = match (&backup.source, &backup.name) {
            (Some(source), _) => (source.destination.clone(), source.key.clone()),
            (None, Some(name)) => {
                let api: Api<ValkeyBackup> = Api::namespaced(self.context.client.clone(), &self.namespace);
                let doing = || format!("read {} {name}", ValkeyBackup::NAME);
                let Some(found) = crate::cluster::bounded(doing, api.get_opt(name)).await? else {
                    return Ok(Err(format!(
                        "ValkeyBackup {name} does not exist. Create the cluster with spec.bootstrap.backup.source."
                    )));
                };
                let status = found.status.unwrap_or_default();
                match status.key.filter(|_| status.phase.as_deref() == Some("Completed")) {
                    Some(key) => (found.spec.destination, key),
                    None => {
                        return Ok(Err(format!(
                            "ValkeyBackup {name} is not completed. Wait, or name another one."
                        )));
                    }
                }
            }
            (None, None) => return Ok(Err("spec.bootstrap.backup names no backup.".to_owned())),
        };
        if let Some(unmounted) = target::unmounted(&destination, &self.object) {
            return Ok(Err(unmounted));
        }
        let target = target::read(&self.context.client, &self.namespace, &destination).await?;
        Ok(target.map(|(destination, credentials)| RestoreRequest {
            key,
            destination,
            credentials: Some(credentials),
            is_redis: desired.is_redis(),
            version: desired.spec.version.clone(),
        }))
    }
}

/// The PEM text in this Secret under this key, which `field` names; in words, why there is none.
fn pem_in(secret: Option<&Secret>, (name, key): (&str, &str), field: &str) -> Result<String, String> {
    let secret =
        secret.ok_or_else(|| format!("Secret {name} does not exist. Create it, or correct {field}."))?;
    match secrets::text(secret, key) {
        Some(text) if text.contains("-----BEGIN ") => Ok(text),
        Some(_) => Err(format!("Key {key} of Secret {name} is not in PEM. Correct it.")),
        None => Err(format!("Secret {name} has no key {key}. Add it, or correct {field}.")),
    }
}
