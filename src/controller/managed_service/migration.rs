//! The shell around a migration: the password of the source, read from its Secret and put into what is
//! sent, and the provider's word on how far the data has come.

use super::{Reconciliation, observe};
use crate::{cluster::secrets, controller::error::ReconcileError};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use valkeeper_api::{ManagedService, names::reason};

impl<K: ManagedService> Reconciliation<K> {
    /// Reads the password that `spec.migrationSecretSource` names.
    pub(super) async fn read_migration_password(&mut self) -> Result<(), ReconcileError> {
        let Some(source) = self.object.service().migration_secret_source.clone() else { return Ok(()) };
        let value =
            secrets::read_key(&self.context.client, &self.namespace, &source.name, &source.key).await?;
        let missing = || ReconcileError::Missing {
            reason: reason::MIGRATION_SECRET_MISSING,
            message: format!(
                "Secret {}/{} with key {}, which spec.migrationSecretSource names, does not exist. Create it with the password of the server to migrate from",
                self.namespace, source.name, source.key
            ),
        };
        self.migration_password = Some(value.flatten().ok_or_else(missing)?);
        self.observed.migration_password_is_known = true;
        self.insert_migration_password();
        Ok(())
    }

    pub(super) fn insert_migration_password(&mut self) {
        if let Some(password) = &self.migration_password
            && let Some(Value::Object(migration)) = self.desired.user_config.get_mut("migration")
        {
            migration.insert("password".to_owned(), Value::from(password.expose_secret()));
        }
    }

    /// Reads the progress of the migration.
    pub(super) async fn follow_migration(&mut self) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        let found = self.during(provider.migration(&token, &reference)).await?;
        self.observed.migration = Some(observe::migration(found));
        Ok(())
    }
}
