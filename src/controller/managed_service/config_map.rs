//! The shell around the shape of a connection: the connection ConfigMap, and the certificate of the project's authority.
//! Neither is read for a resource that does not request it.

use super::{ConfigMapSeen, Reconciliation};
use crate::{
    cluster::{data_objects, events::Severity},
    controller::error::ReconcileError,
};
use k8s_openapi::api::core::v1::ConfigMap;
use tokio::time::Instant;
use valkeeper_api::{ManagedService, names::reason};
use valkeeper_engine::{
    ConnectionConfigMap, Remote,
    config_map::{self, ConfigMapContent},
};

impl<K: ManagedService> Reconciliation<K> {
    pub(super) async fn observe_config_map(&mut self) -> Result<(), ReconcileError> {
        let Some(target) = &self.desired.config_map else { return Ok(()) };
        let found =
            data_objects::get::<ConfigMap>(&self.context.client, &self.namespace, &target.name).await?;
        self.config_map_seen =
            found.map_or(ConfigMapSeen::Absent, |found| ConfigMapSeen::Present(Box::new(found)));
        Ok(())
    }

    /// The meaning of the ConfigMap depends on the current state of the service.
    pub(super) fn recall_config_map(&mut self) {
        let Some(target) = &self.desired.config_map else { return };
        let connection = match &self.observed.remote {
            Remote::Present(service) => service.connection.as_ref(),
            Remote::Unknown | Remote::Absent => None,
        };
        self.observed.config_map = match &self.config_map_seen {
            ConfigMapSeen::Unknown => ConnectionConfigMap::Unknown,
            ConfigMapSeen::Absent => ConnectionConfigMap::Absent,
            ConfigMapSeen::Present(found) => config_map::judge(found, &self.owner(), target, connection),
        };
    }

    pub(super) async fn write_config_map(
        &mut self,
        content: &ConfigMapContent,
    ) -> Result<(), ReconcileError> {
        let (client, namespace, owner) = (&self.context.client, &self.namespace, self.owner());
        let (written, note) = if let ConfigMapSeen::Present(found) = &self.config_map_seen {
            let patch = config_map::repaired(found, content, &owner);
            let written = data_objects::patch::<ConfigMap>(client, namespace, &content.name, patch).await?;
            (Some(written), config_map::changes(found, content))
        } else {
            let new = config_map::new(content, &owner);
            let written = data_objects::create(client, namespace, &new).await?;
            (written, format!("Created ConfigMap {} with the connection parameters.", content.name))
        };
        let Some(written) = written else {
            // There is one after all: it is read next.
            self.config_map_seen = ConfigMapSeen::Unknown;
            return Ok(());
        };
        self.config_map_seen = ConfigMapSeen::Present(Box::new(written));
        self.emit(Severity::Normal, reason::CONFIG_MAP_WRITTEN, "WriteConfigMap", &note);
        Ok(())
    }

    /// Reads the certificate of the project's authority, unless another resource had it read recently.
    pub(super) async fn observe_authority(&mut self) -> Result<(), ReconcileError> {
        let project = self.desired.project.clone();
        let known = self.context.authorities.known(&project, Instant::now());
        let certificate = if let Some(certificate) = known {
            certificate
        } else {
            let (token, provider) = (self.token().await?, self.provider.clone());
            let certificate = self.during(provider.authority(&token, &project)).await?;
            self.context.authorities.learn(&project, &certificate, Instant::now());
            certificate
        };
        self.authority = Some(certificate);
        Ok(())
    }

    /// Each answer about the service comes without the certificate.
    pub(super) fn recall_authority(&mut self) {
        if let (Some(certificate), Remote::Present(service)) = (&self.authority, &mut self.observed.remote)
            && let Some(connection) = &mut service.connection
            && connection.authority.is_none()
        {
            connection.authority = Some(certificate.clone());
        }
    }
}
